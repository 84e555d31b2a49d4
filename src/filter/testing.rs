//! Filters under test: a chain from configured filters, over the stream's info and on a real worker.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderList, Method, RequestHead, ResponseHead, Version};

use super::{ApprovedList, Around, Build, Chain, Chunk, Dir, FilterFactory, Offer, Part, StreamCx, StreamEnd, build};
use crate::config;
use crate::runtime::{Rt, run_worker};
use crate::runtime_values::RuntimeValues;
use crate::stats::{Registry, Value};
use crate::stream::info::{ConnectionInfo, StreamInfo};

/// Filters built from configuration for one worker, and their stats.
pub(super) struct Setup {
    pub(super) rt: Rt,
    registry: Registry,
    values: RuntimeValues,
    factories: Vec<Arc<dyn FilterFactory>>,
}

/// One stream, and the task that drives it.
pub(super) struct Driven {
    pub(super) rt: Rt,
    pub(super) info: StreamInfo,
    pub(super) chain: Chain,
}

/// Runs a test on a worker.
pub(super) fn on_worker<F: Future<Output = ()> + 'static>(test: impl FnOnce(Rt) -> F) {
    run_worker(0, test).unwrap();
}

impl Setup {
    pub(super) fn new(rt: &Rt, filters: &[config::Filter]) -> Setup {
        Setup::within(rt, filters, Around::default())
    }

    pub(super) fn within(rt: &Rt, filters: &[config::Filter], around: Around) -> Setup {
        let mut registry = Registry::new();
        let mut values = RuntimeValues::default();
        let mut cx = Build {
            registry: &mut registry,
            values: &mut values,
            around: &around,
            scope: "http",
            listener: "web",
            workers: 1,
        };
        let factories = build(filters, &mut cx);
        Setup { rt: rt.clone(), registry, values, factories }
    }

    /// As `/runtime_modify`.
    pub(super) fn set_value(&mut self, key: &str, value: &str) {
        self.values.modify(&[(key.to_owned(), value.to_owned())]).unwrap();
    }

    pub(super) fn approved_list(&self) -> Arc<ApprovedList> {
        self.factories[0].approved_list().expect("it has a list").clone()
    }

    pub(super) fn stream(&self, head: RequestHead) -> Driven {
        Driven::new(&self.rt, head, &self.factories)
    }

    /// `http.web.NAME`
    pub(super) fn stat(&mut self, name: &str) -> i64 {
        self.stat_at(&format!("http.web.{name}")).expect("no such stat")
    }

    /// By its full name; of a histogram the number of values.
    pub(super) fn stat_at(&mut self, name: &str) -> Option<i64> {
        let samples = self.registry.snapshot(&crate::stats::Filter::default()).samples;
        Some(match samples.into_iter().find(|sample| sample.full_name() == name)?.value {
            Value::Counter(count) => i64::try_from(count).unwrap(),
            Value::Gauge(value) => value,
            Value::Histogram(histogram) => i64::try_from(histogram.count()).unwrap(),
        })
    }
}

impl Driven {
    pub(super) fn new(rt: &Rt, head: RequestHead, factories: &[Arc<dyn FilterFactory>]) -> Driven {
        let connection = ConnectionInfo::between("192.0.2.7:5000", "192.0.2.1:80");
        let mut info = StreamInfo::new(Rc::new(connection), head, rt.now(), rt);
        let chain = Chain::new(factories, &StreamCx { rt, info: &mut info });
        Driven { rt: rt.clone(), info, chain }
    }

    pub(super) fn offer_head(&mut self, dir: Dir) -> Option<Offer> {
        self.chain.offer_head(dir, &mut StreamCx { rt: &self.rt, info: &mut self.info })
    }

    pub(super) fn offer(&mut self, dir: Dir, part: Part) -> Option<Offer> {
        self.chain.offer(dir, part, &mut StreamCx { rt: &self.rt, info: &mut self.info })
    }

    pub(super) fn poll(&mut self, dir: Dir) -> Option<Offer> {
        self.poll_with(dir, &mut Context::from_waker(Waker::noop()))
    }

    pub(super) fn poll_with(&mut self, dir: Dir, task: &mut Context<'_>) -> Option<Offer> {
        self.chain.poll(dir, task, &mut StreamCx { rt: &self.rt, info: &mut self.info })
    }

    /// Shows a response, which must pass, and gives it back.
    pub(super) fn respond(&mut self, head: ResponseHead) -> &HeaderList {
        self.info.response = Some(head);
        assert!(matches!(self.offer_head(Dir::Response), Some(Offer::Head)));
        &self.info.response.as_ref().unwrap().headers
    }

    pub(super) fn request(&self) -> &RequestHead {
        self.info.request.as_ref().unwrap()
    }

    pub(super) fn end(&mut self) {
        self.chain.end(&StreamEnd { info: &self.info });
    }
}

pub(super) fn request(method: Method, body: BodyLength, fields: &[(&str, &str)]) -> RequestHead {
    let mut head = RequestHead::new(method, Version::Http11, headers(fields));
    head.body = body;
    head
}

pub(super) fn response(status: u16, fields: &[(&str, &str)]) -> ResponseHead {
    ResponseHead::new(status, headers(fields))
}

fn headers(fields: &[(&str, &str)]) -> HeaderList {
    let mut list = HeaderList::new();
    for (name, value) in fields {
        list.push_raw(name.as_bytes(), value.as_bytes());
    }
    list
}

pub(super) fn data(text: &'static str, end: bool) -> Part {
    Part::Data { chunk: Chunk::from(Bytes::from_static(text.as_bytes())), end }
}

/// All fields, as one text.
pub(super) fn text(headers: &HeaderList) -> String {
    headers.iter().map(|field| format!("{field:?}\n")).collect()
}
