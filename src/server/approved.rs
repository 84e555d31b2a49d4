//! Lists of approved certificates (filter `client_tls_auth`), kept up to date: a task for each list of the running
//! configuration, which ends with it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use super::process::Process;
use super::{ServiceSnapshot, Snapshot, fetch};
use crate::config::ApprovedSource;
use crate::filter::{ApprovedList, MAX_LIST, read_list};
use crate::runtime::control::{self, Control, Receiver};

/// Starts a task for each list that is new, whenever a configuration has come in force.
pub(super) async fn follow(control: Control, process: Rc<RefCell<Process>>, applied: Receiver<()>) {
    let mut known: Vec<Weak<ApprovedList>> = Vec::new();
    loop {
        known.retain(|list| list.strong_count() > 0);
        let running: Vec<Weak<ApprovedList>> = process.borrow().snapshot().approved_lists().collect();
        for list in running {
            if !known.iter().any(|one| one.ptr_eq(&list)) {
                control.spawn(keep(list.clone(), process.clone()));
                known.push(list);
            }
        }
        if applied.recv().await.is_err() {
            return;
        }
    }
}

impl Snapshot {
    fn approved_lists(&self) -> impl Iterator<Item = Weak<ApprovedList>> {
        let chains = self.listeners.iter().flat_map(|listener| &listener.chains);
        let filters = chains.flat_map(|chain| {
            let of_routes = match &chain.service {
                ServiceSnapshot::Http(http) => &http.extras[..],
                ServiceSnapshot::Tcp(_) => &[],
            };
            let of_routes = of_routes.iter().filter_map(|extras| extras.chain.as_deref());
            std::iter::once(&*chain.filters).chain(of_routes).flatten()
        });
        filters.filter_map(|filter| filter.approved_list().map(Arc::downgrade))
    }
}

async fn keep(list: Weak<ApprovedList>, process: Rc<RefCell<Process>>) {
    let Some(mut current) = list.upgrade() else { return };
    // What comes from a file was read when the filter was made.
    let mut first = matches!(current.source, ApprovedSource::Http { .. });
    loop {
        if !std::mem::take(&mut first) {
            let delay = current.refresh_delay;
            // While nothing happens, only the configuration holds it.
            drop(current);
            control::sleep(delay).await;
            match list.upgrade() {
                Some(list) => current = list,
                None => return,
            }
        }
        let document = bring(&current.source, &process).await;
        current.update(document);
    }
}

async fn bring(source: &ApprovedSource, process: &Rc<RefCell<Process>>) -> Result<Vec<u8>, String> {
    match source {
        ApprovedSource::File { file } => {
            let file = file.clone();
            control::unblock(move || read_list(&file)).await
        }
        ApprovedSource::Http { cluster: name, path } => {
            let cluster = process.borrow().snapshot().clusters.iter().find(|cluster| &*cluster.name == name).cloned();
            // The configuration was checked; a reload may just be taking the cluster away together with this list.
            let cluster = cluster.ok_or_else(|| format!("cluster {name} is gone"))?;
            let fetched = fetch::get(&cluster, path, MAX_LIST).await;
            fetched.map_err(|error| format!("cluster {name}: {path}: {error}"))
        }
    }
}
