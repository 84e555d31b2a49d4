use nuncio_http::{BodyLength, HeaderName, Method};

use super::*;
use crate::filter::testing::{Setup, on_worker, request, response, text};
use crate::filter::{Dir, Offer};

fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> config::HeaderEdits {
    let template = |&(name, value): &(&str, &str)| config::HeaderTemplate {
        name: HeaderName::new(name).unwrap(),
        value: value.to_owned(),
    };
    config::HeaderEdits {
        remove: remove.iter().map(|name| HeaderName::new(name).unwrap()).collect(),
        set: set.iter().map(template).collect(),
        add: add.iter().map(template).collect(),
    }
}

#[test]
fn both_heads_are_edited_and_templates_see_them() {
    on_worker(|rt| async move {
        let filter = config::HeaderMutation {
            request: edits(
                &["x-debug"],
                &[("x-tier", "%REQ(x-tier)%-%REQ(:METHOD)%"), ("x-none", "%REQ(x-absent)%")],
                &[("x-tier", "b")],
            ),
            response: edits(&["server"], &[("x-of", "%REQ(x-tier)% %RESP(x-id)%")], &[]),
        };
        let setup = Setup::new(&rt, &[config::Filter::HeaderMutation(filter)]);
        let fields = [("x-tier", "gold"), ("x-debug", "1"), ("accept", "*/*")];
        let mut head = request(Method::Put, BodyLength::Exact(3), &fields);
        head.set_authority(b"example.com");
        head.set_target(b"/a");
        let mut stream = setup.stream(head);
        assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
        assert_eq!(
            format!("{:?}", stream.request()),
            "PUT /a HTTP/1.1 host=example.com Exact(3) [x-tier: gold-PUT, accept: */*, x-tier: b]"
        );
        let headers = stream.respond(response(200, &[("server", "x"), ("x-id", "7")]));
        assert_eq!(text(headers), "x-id: 7\nx-of: gold-PUT 7\n");
    });
}

#[test]
fn without_edits_there_is_no_filter() {
    on_worker(|rt| async move {
        let setup = Setup::new(&rt, &[config::Filter::HeaderMutation(config::HeaderMutation::default())]);
        assert!(setup.stream(request(Method::Get, BodyLength::Empty, &[])).chain.is_empty());
    });
}
