//! Reading the configuration anew. All or nothing: on any error the running one stays, and the error is logged in full.

use std::cell::RefCell;
use std::rc::Rc;

use super::process::{Process, State, unix_seconds};
use crate::config;
use crate::runtime::control;

pub(super) async fn reload(process: &Rc<RefCell<Process>>) {
    let Some(path) = process.borrow().options.path.clone() else {
        log::warn!("reload: the configuration is built in");
        return;
    };
    if process.borrow().state == State::Draining {
        log::warn!("reload: refused while draining");
        return;
    }
    let shown = path.display().to_string();
    let loaded = control::unblock(move || config::load(&path)).await;
    let mut process = process.borrow_mut();
    let result = match loaded {
        Ok((config, warnings)) => {
            for warning in &warnings {
                log::warn!("{warning}");
            }
            if config.admin != process.snapshot().config.admin || config.workers != process.snapshot().config.workers {
                log::warn!("reload: changes of \"admin\" and \"workers\" take effect with a restart");
            }
            let backlogs = |config: &config::Config| -> Vec<(crate::runtime::net::Addr, u32)> {
                config.listeners.iter().map(|it| (it.address.clone(), it.tcp_backlog_size)).collect()
            };
            let had = backlogs(&process.snapshot().config);
            if backlogs(&config).iter().any(|(address, size)| had.iter().any(|(a, s)| a == address && s != size)) {
                log::warn!("reload: a change of \"tcp_backlog_size\" takes effect with a restart");
            }
            process.prepare(config).map_err(|error| vec![error.to_string()])
        }
        Err(problems) => Err(problems.to_string().lines().map(str::to_owned).collect()),
    };
    match result {
        Ok(prepared) => {
            process.apply(prepared);
            process.stats.config_reload_success.inc();
            process.stats.config_last_reload_success.set(1);
            process.stats.config_last_reload_time.set(unix_seconds());
            log::info!("reload: {shown} is in force");
        }
        Err(errors) => {
            process.stats.config_reload_failure.inc();
            process.stats.config_last_reload_success.set(0);
            log::error!("reload: refused, the running configuration stays");
            errors.iter().for_each(|error| log::error!("reload: {error}"));
        }
    }
}
