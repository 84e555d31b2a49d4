//! Endpoints that change something: POST only.

use super::{AdminState, After, Reply, Request};

pub(super) fn drain_listeners(state: &dyn AdminState, request: &Request) -> Reply {
    state.drain_listeners(request.has("graceful"));
    Reply::ok()
}

pub(super) fn healthcheck_fail(state: &dyn AdminState, _request: &Request) -> Reply {
    state.set_healthy(false);
    Reply::ok()
}

pub(super) fn healthcheck_ok(state: &dyn AdminState, _request: &Request) -> Reply {
    state.set_healthy(true);
    Reply::ok()
}

pub(super) fn quit(_state: &dyn AdminState, _request: &Request) -> Reply {
    Reply { after: After::Quit, ..Reply::ok() }
}

pub(super) fn reopen_logs(state: &dyn AdminState, _request: &Request) -> Reply {
    state.reopen_logs();
    Reply::ok()
}

pub(super) fn reset_counters(state: &dyn AdminState, _request: &Request) -> Reply {
    state.reset_counters();
    Reply::ok()
}

#[cfg(test)]
mod tests {
    use super::After;
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn each_change_reaches_the_process() {
        for (target, call) in [
            ("/drain_listeners", "drain graceful=false"),
            ("/drain_listeners?graceful", "drain graceful=true"),
            ("/healthcheck/fail", "healthy=false"),
            ("/healthcheck/ok", "healthy=true"),
            ("/reopen_logs", "reopen"),
            ("/reset_counters", "reset"),
        ] {
            let state = TestState::default();
            let reply = handle(&state, &request("POST", target));
            assert_eq!((reply.status, reply.body.as_str(), reply.after), (200, "OK\n", After::Nothing));
            assert_eq!(*state.calls.borrow(), [call]);
        }
    }

    #[test]
    fn quitting_waits_until_the_answer_is_sent() {
        let state = TestState::default();
        let reply = handle(&state, &request("POST", "/quitquitquit"));
        assert_eq!((reply.status, reply.after), (200, After::Quit));
        assert!(state.calls.borrow().is_empty());
    }
}
