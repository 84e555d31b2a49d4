//! Each operator against one stream.

use nuncio_http::{HeaderId, HeaderList};

use super::*;
use crate::access_log::testing;
use crate::config::LogFormat;

fn render(format: &str) -> String {
    let mut out = Vec::new();
    Format::parse(format).unwrap().render(&testing::stream(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn operators() {
    for (format, expected) in [
        ("", ""),
        ("100%% é", "100% é"),
        ("%START_TIME%", "2016-04-15T20:20:00.310Z"),
        ("%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%", "2016/04/15T20:20:00+0000 1460751600"),
        ("%EMIT_TIME(%T.%3f)%", "20:20:01.310"),
        ("%PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%", "HTTP/1.1 503 via_upstream"),
        ("%RESPONSE_FLAGS%", "UF,URX"),
        ("%RESPONSE_FLAGS_LONG%", "UpstreamConnectionFailure,UpstreamRetryLimitExceeded"),
        ("%BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_REQUEST_ATTEMPT_COUNT%", "5 1024 2"),
        ("%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION%", "1000 2 4"),
        ("%RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "900 100"),
        ("%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%", "3500"),
        ("%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ns)%", "896500000"),
        ("%COMMON_DURATION(US_RX_BEG:US_TX_BEG:ms)%", "-"),
        ("%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS%", "127.0.0.1:9000 app 127.0.0.1:40000"),
        ("%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_PORT%", "127.0.0.1 40000"),
        ("%ROUTE_NAME% %CONNECTION_ID%", "api 42"),
        ("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "192.0.2.7:0 192.0.2.7"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%", "192.0.2.0/24"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)%", "0.0.0.0/0"),
        ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_PORT%", "10.0.0.1:5000 5000"),
        ("%DOWNSTREAM_LOCAL_ADDRESS%", "[2001:db8::1]:443"),
        ("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%", "2001:db8::1 443"),
        ("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(20)%", "2001::/20"),
        (
            "%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(host)% %REQ(:scheme)%",
            "POST /new?q=1 example.com example.com http",
        ),
        ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/old?q=1"),
        ("%REQ(X-NONE?:PATH):4%|%REQ(X-NONE?X-TOO)%", "/new|-"),
        ("%REQ(User-Agent)%", r"curl \x228\x22\x1B"),
        ("%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %RESP(x)% %TRAILER(grpc-status)%", "12 - -"),
        ("%ENVIRONMENT(NO_SUCH_VARIABLE)%", "-"),
    ] {
        assert_eq!(render(format), expected, "{format}");
    }
    let hostname = render("%HOSTNAME%");
    assert!(!hostname.is_empty() && hostname != "-");
    assert_eq!(render("%ENVIRONMENT(PATH)%"), std::env::var("PATH").unwrap());
}

#[test]
fn a_grpc_status_stands_in_the_trailers_or_the_head() {
    let format = Format::parse("%GRPC_STATUS% %GRPC_STATUS_NUMBER%").unwrap();
    let status = |value: &str| {
        let mut fields = HeaderList::new();
        fields.push(HeaderId::GrpcStatus, value.as_bytes());
        fields
    };
    let render = |info: &StreamInfo| {
        let mut line = Vec::new();
        format.render(info, &mut line);
        String::from_utf8(line).unwrap()
    };
    let mut info = testing::stream();
    assert_eq!(render(&info), "- -");
    info.response.as_mut().unwrap().headers = status("14");
    assert_eq!(render(&info), "Unavailable 14");
    info.response_trailers = Some(status("0"));
    assert_eq!(render(&info), "OK 0");
    info.response_trailers = Some(status("99"));
    assert_eq!(render(&info), "- 99");
}

#[test]
fn every_default_is_a_format() {
    let LogFormat::Text(text) = LogFormat::default_text() else { panic!("not text") };
    let line = "[2016-04-15T20:20:00.310Z] \"POST /old?q=1 HTTP/1.1\" 503 UF,URX 5 1024 1000 12 \"192.0.2.7\" \
                \"curl \\x228\\x22\\x1B\" \"-\" \"example.com\" \"127.0.0.1:9000\"";
    assert_eq!(render(&text), line);
    assert!(super::super::Line::new(&LogFormat::default_json()).is_ok());
}

#[test]
fn what_is_not_known_is_a_dash() {
    let mut info = testing::stream();
    (info.request, info.response, info.host, info.route) = (None, None, None, None);
    (info.upstream_local, info.detail, info.status) = (None, "", 0);
    info.client = None;
    info.times = Default::default();
    let mut out = Vec::new();
    let format = "%REQ(:PATH)% %PROTOCOL% %UPSTREAM_HOST% %ROUTE_NAME% %DURATION% %RESPONSE_CODE% \
                  %RESPONSE_CODE_DETAILS% %DOWNSTREAM_REMOTE_ADDRESS% %EMIT_TIME(%s)%";
    Format::parse(format).unwrap().render(&info, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "- - - - - 0 - 10.0.0.1:5000 1460751600");
}

#[test]
fn bad_formats() {
    let argument = |name: &str| format!("%{name}% takes ");
    for (format, at, expected) in [
        ("a%", 1, "a \"%\" that starts no %OPERATOR%".to_owned()),
        ("% DURATION%", 0, "a \"%\" that starts no %OPERATOR%".to_owned()),
        ("%REQ(x", 0, "a \"%\" that starts no %OPERATOR%".to_owned()),
        ("ab %DURATOIN%", 3, "no operator %DURATOIN%: did you mean %DURATION%?".to_owned()),
        ("%duration%", 0, "no operator %duration%: did you mean %DURATION%?".to_owned()),
        ("%XYZZY%", 0, "no operator %XYZZY%".to_owned()),
        ("%REQ%", 0, argument("REQ")),
        ("%REQ()%", 0, argument("REQ")),
        ("%REQ(a b)%", 0, argument("REQ")),
        ("%RESP(a?b?c)%", 0, argument("RESP")),
        ("%DURATION(x)%", 0, argument("DURATION")),
        ("%START_TIME(%Q)%", 0, argument("START_TIME")),
        ("%COMMON_DURATION(A:B:ms)%", 0, argument("COMMON_DURATION")),
        ("%COMMON_DURATION(DS_RX_BEG:DS_RX_END:s)%", 0, argument("COMMON_DURATION")),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%", 0, argument("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT")),
        ("%REQ(a):x%", 0, "the length behind".to_owned()),
        ("%REQ(a):0%", 0, "the length behind".to_owned()),
    ] {
        let error = Format::parse(format).expect_err(format);
        assert!(error.at == at && error.to_string().starts_with(&expected), "{format}: {error:?} {error}");
    }
}

#[test]
fn a_header_value_is_valid_whatever_comes() {
    let header = |format: &str| {
        let mut out = b"before".to_vec();
        Format::parse(format).unwrap().render_header(&testing::stream(), &mut out);
        assert!(nuncio_http::validate::is_field_value(&out), "{format}");
        String::from_utf8(out.split_off(6)).unwrap()
    };
    assert_eq!(header("%REQ(USER-AGENT)% \t"), "curl \"8\"");
    assert_eq!(header(" \t for=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% "), "for=192.0.2.7");
    assert_eq!(header("%REQ(X-NONE)%"), "", "nothing to add");
    assert_eq!(header("a\r\nb"), "ab");
    assert_eq!(Format::parse("50%%").unwrap().literal(), Some(&b"50%"[..]));
    assert_eq!(Format::parse("").unwrap().literal(), Some(&b""[..]));
    assert_eq!(Format::parse("%PROTOCOL%").unwrap().literal(), None);
}
