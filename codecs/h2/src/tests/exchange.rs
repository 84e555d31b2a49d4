//! Messages between a client and a server.

use nuncio_http::{BodyLength, Version};

use super::pair::{Pair, get, pattern, response};

#[test]
fn a_get_and_its_response() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&get(), true);
    assert_eq!(pair.server.take_log(), [r"1 request GET /path?query HTTP/2 host=example.com Empty [accept: */*] ."]);
    let head = &pair.server.requests[0].1.head;
    assert_eq!(head.version, Version::Http2);

    pair.server.connection.send_response(server, &response(200, BodyLength::Exact(5)), false).unwrap();
    pair.server.connection.send_data(server, pattern(5), true).unwrap();
    pair.run();
    assert_eq!(pair.client.take_log(), ["1 response HTTP/2 200 Exact(5) [server: nuncio]", "1 data ."]);
    assert_eq!(pair.client.body(client), &pattern(5)[..]);
    for (end, stream) in [(&mut pair.client, client), (&mut pair.server, server)] {
        assert!(end.connection.recv_done(stream));
        end.connection.forget(stream);
        assert_eq!(end.connection.streams(), 0);
    }
    pair.run();
    assert_eq!((pair.client.error, pair.server.error), (None, None));
}
