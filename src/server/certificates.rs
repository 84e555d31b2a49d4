//! Certificates that are replaced while the proxy runs: each second a look at every file that a running `tls` names.
//! When some of them have changed, and a second look finds them as the first did, the `tls` is loaded anew and takes the
//! place of the one before, for handshakes to come. Whatever is wrong with the files, that one stays: of a pair that
//! is half there, the old half never leaves before the new one is whole.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Snapshot;
use super::process::{Process, unix_seconds};
use crate::admin::{CertificateOwner, CertificateStatus};
use crate::cluster::Cluster;
use crate::config::ListenerTls;
use crate::runtime::{Published, control};
use crate::tls::{LoadError, ServerContext, Stamps};

const PERIOD: Duration = Duration::from_secs(1);
/// How often certificates that expire soon are named in the log.
const REMINDER: Duration = Duration::from_secs(24 * 60 * 60);

/// A `tls` of the running configuration.
#[derive(Clone)]
pub(super) struct InUse {
    owner: CertificateOwner,
    context: Context,
}

#[derive(Clone)]
enum Context {
    Server(Arc<Published<ServerContext>>, Arc<ListenerTls>),
    Client(Arc<Cluster>),
}

/// What was seen of the files of one.
#[derive(Default)]
struct Seen {
    before: Option<Stamps>,
    /// Files that were loaded in vain. Only when they change again there is something to try.
    refused: Option<Stamps>,
}

impl Snapshot {
    /// Every `tls` that has files.
    pub(super) fn certificates_in_use(&self) -> impl Iterator<Item = InUse> {
        let chains = self.listeners.iter().flat_map(|listener| &listener.chains);
        let chains = chains.filter_map(|chain| {
            let tls = chain.tls.as_ref()?;
            let context = Context::Server(tls.context.clone(), tls.config.clone());
            Some(InUse { owner: CertificateOwner::Listener(chain.name.clone()), context })
        });
        let clusters = self.clusters.iter().filter(|cluster| cluster.tls.is_some()).map(|cluster| InUse {
            owner: CertificateOwner::Cluster(cluster.name.clone()),
            context: Context::Client(cluster.clone()),
        });
        chains.chain(clusters)
    }
}

impl InUse {
    /// For operators.
    pub(super) fn status(&self) -> CertificateStatus {
        let (authorities, own) = match &self.context {
            Context::Server(context, _) => {
                let context = context.get();
                (context.authorities().to_vec(), context.certificates().to_vec())
            }
            Context::Client(cluster) => match cluster.tls.as_ref().map(|tls| tls.context.get()) {
                Some(context) => (context.authorities().to_vec(), context.certificate().cloned().into_iter().collect()),
                None => Default::default(),
            },
        };
        CertificateStatus { owner: self.owner.clone(), authorities, own }
    }

    /// The files as they looked when they were loaded.
    fn loaded(&self) -> Option<Stamps> {
        match &self.context {
            Context::Server(context, _) => Some(context.get().stamps().clone()),
            Context::Client(cluster) => cluster.tls.as_ref().map(|tls| tls.context.get().stamps().clone()),
        }
    }

    /// Loads the files and puts them in force. Gives warnings. Blocks.
    fn renew(&self) -> Result<Vec<String>, LoadError> {
        match &self.context {
            Context::Server(published, config) => {
                let context = published.get().reload(config)?;
                let warnings = context.warnings().to_vec();
                published.set(context);
                Ok(warnings)
            }
            Context::Client(cluster) => {
                let (Some(tls), Some(config)) = (&cluster.tls, &cluster.config.tls) else { return Ok(Vec::new()) };
                let context = tls.context.get().reload(config)?;
                let warnings = context.warnings().to_vec();
                tls.context.set(context);
                Ok(warnings)
            }
        }
    }
}

/// Watches as long as the process runs, whatever configuration that is.
pub(super) async fn watch(process: Rc<RefCell<Process>>) {
    let mut seen = BTreeMap::new();
    let mut reminder = control::now() + REMINDER;
    let mut interval = control::interval(PERIOD);
    loop {
        interval.tick().await;
        let in_use: Vec<InUse> = process.borrow().snapshot().certificates_in_use().collect();
        if in_use.is_empty() {
            seen.clear();
            continue;
        }
        if control::now() >= reminder {
            reminder = control::now() + REMINDER;
            remind(&in_use);
        }
        let mut now = BTreeMap::new();
        for (in_use, loaded, look) in look(in_use).await {
            let mut it: Seen = seen.remove(&in_use.owner).unwrap_or_default();
            // Two equal looks in a row: whoever writes the files has finished.
            let settled = it.before.as_ref() == Some(&look);
            if settled && look != loaded && it.refused.as_ref() != Some(&look) {
                it.refused = (!renew(&process, &in_use).await).then(|| look.clone());
            }
            it.before = Some(look);
            now.insert(in_use.owner, it);
        }
        seen = now;
    }
}

/// How the files of each looked when they were loaded, and how they look now.
async fn look(in_use: Vec<InUse>) -> Vec<(InUse, Stamps, Stamps)> {
    control::unblock(move || {
        let look = |in_use: InUse| {
            let loaded = in_use.loaded()?;
            let now = loaded.again();
            Some((in_use, loaded, now))
        };
        in_use.into_iter().filter_map(look).collect()
    })
    .await
}

/// Whether the new files are in force.
async fn renew(process: &Rc<RefCell<Process>>, in_use: &InUse) -> bool {
    let owner = &in_use.owner;
    let renewal = in_use.clone();
    let renewed = control::unblock(move || renewal.renew()).await;
    let stats = &process.borrow().stats;
    match &renewed {
        Ok(warnings) => {
            stats.certificate_reload_success.inc();
            log::info!("{owner}: tls: the changed files are in force");
            warnings.iter().for_each(|warning| log::warn!("{owner}: tls: {warning}"));
        }
        Err(error) => {
            stats.certificate_reload_failure.inc();
            log::error!("{owner}: tls: the changed files are refused, the old ones stay: {error}");
        }
    }
    renewed.is_ok()
}

fn remind(in_use: &[InUse]) {
    let now = unix_seconds();
    for CertificateStatus { owner, own, .. } in in_use.iter().map(InUse::status) {
        for warning in own.iter().filter_map(|certificate| certificate.warning(now)) {
            log::warn!("{owner}: tls: {warning}");
        }
    }
}
