//! The end in good order: stop accepting, finish what is in flight, give up after `drain_time` or at the second signal.

use std::cell::RefCell;
use std::rc::Rc;

use super::operator::Order;
use super::process::Process;
use super::run::Event;
use crate::runtime::control::{self, Receiver};
use crate::runtime::signal::Signal;

pub(super) async fn drain(process: &Rc<RefCell<Process>>, inbox: &Receiver<Event>) {
    let (done, limit, workers) = {
        let mut process = process.borrow_mut();
        (process.start_drain(), process.snapshot().config.drain_time, process.workers)
    };
    log::info!("draining, for at most {limit:?}");
    let drained = async {
        for _ in 0..workers {
            if done.recv().await.is_err() {
                return "the workers are gone";
            }
        }
        "drained"
    };
    let told = async {
        loop {
            match inbox.recv().await {
                Ok(Event::Signal(Signal::Terminate | Signal::Interrupt)) => {
                    return "told to end at once";
                }
                Ok(Event::Signal(Signal::User1) | Event::Operator(Order::ReopenLogs)) => process.borrow().logs.reopen(),
                Ok(Event::WorkerEnded) | Err(_) => return "a worker ended",
                Ok(_) => {}
            }
        }
    };
    let ended = control::timeout(limit, control::race(drained, told)).await;
    log::info!("{}", ended.unwrap_or("drain_time is over, open connections are closed"));
}
