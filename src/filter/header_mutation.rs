//! `header_mutation`: edits heads on the way up and down, those of the proxy's own replies too. Its values may tell
//! of the stream as it is known at this point of the chain.

use std::mem;

use nuncio_http::{HeaderList, Method, RequestHead, ResponseHead, Version};

use super::per_worker::{PerWorker, Shared};
use super::{Build, Filter, FilterFactory, Flow, StreamCx};
use crate::config;
use crate::stream::edits::HeaderEditor;

/// `header_mutation`.
pub(super) struct HeaderMutationFactory(PerWorker<Editors>);

struct Editors {
    request: HeaderEditor,
    response: HeaderEditor,
}

/// One small allocation a stream; edits without templates make no other.
struct HeaderMutation(Shared<Editors>);

impl HeaderMutationFactory {
    pub(super) fn new(config: &config::HeaderMutation, cx: &mut Build<'_>) -> HeaderMutationFactory {
        HeaderMutationFactory(PerWorker::new(cx.workers, |_| Editors {
            request: editor(&config.request),
            response: editor(&config.response),
        }))
    }
}

fn editor(edits: &config::HeaderEdits) -> HeaderEditor {
    HeaderEditor::new(edits).unwrap_or_else(|error| {
        // The configuration's reader has parsed every template already.
        debug_assert!(false, "{error}");
        log::error!("header_mutation: {error}: nothing is edited");
        HeaderEditor::default()
    })
}

impl FilterFactory for HeaderMutationFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        let editors = self.0.of(cx.rt)?;
        if editors.request.is_empty() && editors.response.is_empty() {
            return None;
        }
        Some(Box::new(HeaderMutation(editors)))
    }
}

impl Filter for HeaderMutation {
    fn on_request_head(&mut self, head: &mut RequestHead, cx: &mut StreamCx<'_>) -> Flow {
        let editor = &self.0.request;
        // Templates read the head, and the head that is being offered does not stand in the info: it goes back there
        // meanwhile. The head that takes its place allocates nothing.
        let lent = RequestHead::new(Method::Get, Version::Http11, HeaderList::new());
        cx.info.request = Some(mem::replace(head, lent));
        let rendered = editor.render(cx.info);
        if let Some(lent) = cx.info.request.take() {
            *head = lent;
        }
        editor.apply(&mut head.headers, &rendered);
        Flow::Continue
    }

    fn on_response_head(&mut self, head: &mut ResponseHead, cx: &mut StreamCx<'_>) -> Flow {
        let editor = &self.0.response;
        let lent = ResponseHead::new(head.status, HeaderList::new());
        cx.info.response = Some(mem::replace(head, lent));
        let rendered = editor.render(cx.info);
        if let Some(lent) = cx.info.response.take() {
            *head = lent;
        }
        editor.apply(&mut head.headers, &rendered);
        Flow::Continue
    }
}

#[cfg(test)]
mod tests;
