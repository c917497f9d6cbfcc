use super::*;
use crate::answer::excerpt;
use crate::request::id_text;

fn pending(number: u64) -> Pending {
    Pending {
        body: 0,
        intended_ns: 0,
        sent_ns: number,
        number,
    }
}

fn template(bytes: usize) -> Template {
    Template::new("h:1", "/s/m", &vec![b'x'; bytes])
}

/// The server's side: frames as bytes.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_header(&mut bytes, payload.len(), kind, flags, stream);
    bytes.extend_from_slice(payload);
    bytes
}

fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    [
        &[0, length(name.as_bytes())][..],
        name.as_bytes(),
        &[length(value)],
        value,
    ]
    .concat()
}

fn head(stream: u32, number: u64) -> Vec<u8> {
    let block = [vec![0x88], literal("x-request-id", &id_text(number))].concat();
    frame(kind::HEADERS, flag::END_HEADERS, stream, &block)
}

fn trailers(stream: u32, status: &str) -> Vec<u8> {
    let flags = flag::END_HEADERS | flag::END_STREAM;
    frame(
        kind::HEADERS,
        flags,
        stream,
        &literal("grpc-status", status.as_bytes()),
    )
}

fn whole_answer(stream: u32, number: u64, text: &str) -> Vec<u8> {
    let message = stream::with_prefix(text.as_bytes());
    [
        head(stream, number),
        frame(kind::DATA, 0, stream, &message),
        trailers(stream, "0"),
    ]
    .concat()
}

fn feed(connection: &mut GrpcConnection, input: &[u8], out: &mut Vec<u8>) -> (usize, Vec<String>) {
    let mut ends = Vec::new();
    let templates = [template(100_000)];
    let taken = connection.receive(input, &templates, out, &mut |pending, outcome| {
        ends.push(match outcome {
            Outcome::Answer(body) => format!("{} {}", pending.number, excerpt(body)),
            Outcome::Failed(kind, _) => format!("{} {kind}", pending.number),
            Outcome::NotProcessed => format!("{} again", pending.number),
        });
    });
    (taken.unwrap(), ends)
}

/// (kind, stream, length) of what was written.
fn written(mut bytes: &[u8]) -> Vec<(u8, u32, usize)> {
    let mut frames = Vec::new();
    while let Some(frame) = frame::parse(bytes) {
        frames.push((frame.kind, frame.stream, frame.payload.len()));
        bytes = &bytes[frame::HEADER_BYTES + frame.payload.len()..];
    }
    assert!(bytes.is_empty());
    frames
}

fn started(count: u64) -> GrpcConnection {
    let mut connection = GrpcConnection::open(&mut Vec::new());
    for number in 1..=count {
        connection.start(&template(10), pending(number), &mut Vec::new());
    }
    connection
}

#[test]
fn answers_are_told_apart_by_stream_however_they_are_cut() {
    let input = [whole_answer(3, 2, "two"), whole_answer(1, 1, "one")].concat();
    for cut in 0..input.len() {
        let mut connection = started(3);
        let (taken, mut ends) = feed(&mut connection, &input[..cut], &mut Vec::new());
        let (_, more) = feed(&mut connection, &input[taken..], &mut Vec::new());
        ends.extend(more);
        assert_eq!(ends, ["2 two", "1 one"]);
        assert_eq!(connection.in_flight(), 1);
        assert_eq!(connection.oldest_sent_ns(), Some(3));
    }
}

#[test]
fn a_long_message_waits_for_the_windows() {
    let mut connection = GrpcConnection::open(&mut Vec::new());
    let mut out = Vec::new();
    connection.start(&template(100_000), pending(1), &mut out);
    let sent: usize = written(&out)[1..].iter().map(|frame| frame.2).sum();
    assert_eq!(sent, 65_535);
    assert!(!connection.can_start());
    let update = |stream| frame(kind::WINDOW_UPDATE, 0, stream, &50_000u32.to_be_bytes());
    let mut more = Vec::new();
    feed(&mut connection, &update(0), &mut more);
    assert!(more.is_empty());
    feed(&mut connection, &update(1), &mut more);
    let rest: usize = written(&more).iter().map(|frame| frame.2).sum();
    assert_eq!(sent + rest, 100_005);
    assert!(connection.can_start());
}

#[test]
fn settings_change_the_windows_of_open_streams_and_are_acknowledged() {
    let mut connection = GrpcConnection::open(&mut Vec::new());
    connection.start(&template(100_000), pending(1), &mut Vec::new());
    let settings = [&[0, 4][..], &200_000u32.to_be_bytes(), &[0, 3, 0, 0, 0, 1]].concat();
    let input = [
        frame(kind::SETTINGS, 0, 0, &settings),
        frame(kind::WINDOW_UPDATE, 0, 0, &50_000u32.to_be_bytes()),
    ]
    .concat();
    let mut out = Vec::new();
    feed(&mut connection, &input, &mut out);
    assert_eq!(written(&out)[0], (kind::SETTINGS, 0, 0));
    assert!(connection.blocked.is_empty());
    assert!(
        !connection.can_start(),
        "one stream is allowed, one is open"
    );
}

#[test]
fn failures_are_told_apart() {
    let one = |input: Vec<u8>| feed(&mut started(1), &input, &mut Vec::new()).1;
    assert_eq!(
        one([head(1, 1), trailers(1, "14")].concat()),
        ["1 grpc_status"]
    );
    assert_eq!(
        one([head(1, 9), trailers(1, "0")].concat()),
        ["1 request_id"]
    );
    assert_eq!(
        one([head(1, 1), trailers(1, "0")].concat()),
        ["1 malformed"]
    );
    assert_eq!(one(trailers(1, "0")), ["1 status"]);
    assert_eq!(
        one(frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 2])),
        ["1 stream_reset"]
    );
    assert_eq!(
        one(frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 7])),
        ["1 again"]
    );
}

#[test]
fn a_server_that_goes_away_says_what_it_did_not_touch() {
    let mut connection = started(3);
    let first = frame(kind::GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    assert!(feed(&mut connection, &first, &mut Vec::new()).1.is_empty());
    assert!(connection.is_closing() && !connection.can_start());
    let second = frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]);
    assert_eq!(
        feed(&mut connection, &second, &mut Vec::new()).1,
        ["3 again"]
    );
    let (_, ends) = feed(&mut connection, &whole_answer(1, 1, "one"), &mut Vec::new());
    assert_eq!(ends, ["1 one"]);
    let mut lost = Vec::new();
    connection.lose("connection_lost", "gone", &mut |pending, _| {
        lost.push(pending.number);
    });
    assert_eq!(lost, [2]);
}

#[test]
fn pings_are_answered_and_windows_given_back() {
    let mut connection = started(1);
    let mut out = Vec::new();
    feed(
        &mut connection,
        &frame(kind::PING, 0, 0, b"12345678"),
        &mut out,
    );
    assert_eq!(written(&out), [(kind::PING, 0, 8)]);
    out.clear();
    let chunk = frame(kind::DATA, 0, 1, &[0; 16_384]);
    for _ in 0..128 {
        feed(&mut connection, &chunk, &mut out);
    }
    assert_eq!(written(&out), [(kind::WINDOW_UPDATE, 1, 4)]);
}

#[test]
fn header_blocks_may_go_on() {
    let answer = head(1, 1);
    let block = &answer[frame::HEADER_BYTES..];
    let input = [
        frame(kind::HEADERS, 0, 1, &block[..5]),
        frame(kind::CONTINUATION, flag::END_HEADERS, 1, &block[5..]),
        trailers(1, "5"),
    ]
    .concat();
    assert_eq!(
        feed(&mut started(1), &input, &mut Vec::new()).1,
        ["1 grpc_status"]
    );
}
