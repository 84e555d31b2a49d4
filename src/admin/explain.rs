//! POST `/explain`: which way a request would take now, and why. It changes nothing; it is a POST because the request that is
//! asked about is its body.

use super::{AdminState, Reply, Request};
use crate::explain::Question;

pub(super) fn explain(state: &dyn AdminState, request: &Request) -> Reply {
    let question = match Question::from_json(&request.body) {
        Ok(question) => question,
        Err(error) => return Reply::text(400, format!("{error}\n")),
    };
    let explanation = state.explain(&question);
    match request.parameter("format") {
        Some("text") => Reply::text(200, explanation.to_string()),
        _ => Reply { content_type: "application/json", ..Reply::text(200, explanation.to_json()) },
    }
}

#[cfg(test)]
mod tests {
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn a_question_is_answered_as_json_or_text() {
        let ask = |target: &str, body: &str| {
            let reply = handle(&TestState::default(), &request("POST", target).with_body(body.into()));
            (reply.status, reply.content_type, reply.body)
        };
        let question = r#"{ "url": "http://a.example/x" }"#;
        let (status, content_type, body) = ask("/explain", question);
        assert_eq!((status, content_type), (200, "application/json"));
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["request"]["url"], "http://a.example/x");
        let (status, content_type, body) = ask("/explain?format=text", question);
        assert!(status == 200 && content_type.starts_with("text/plain") && body.starts_with("GET http://a.example/x "));
        assert_eq!(ask("/explain", "{}"), (400, "text/plain; charset=utf-8", "\"url\" is missing\n".to_owned()));
    }
}
