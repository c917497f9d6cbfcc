//! Servers that answer a number with its double; each runs until the test process ends.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response};

/// What the stand-in takes for a slow request.
pub(crate) const SLOW: Duration = Duration::from_millis(20);

/// Starts the REST stand-in and returns its address.
pub(crate) fn rest() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(|| rest_connection(stream.unwrap()));
        }
    });
    address
}

fn rest_connection(stream: TcpStream) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((id, body)) = rest_request(&mut reader) {
        let (status, answer) = match body.as_str() {
            "drop" => return,
            "refuse" => ("503 Service Unavailable", r#"{"error": "no"}"#.to_owned()),
            "slow" => {
                std::thread::sleep(SLOW);
                ("200 OK", r#"{"predictions": [0]}"#.to_owned())
            }
            "wrong" => ("200 OK", r#"{"predictions": [2]}"#.to_owned()),
            number => (
                "200 OK",
                format!(r#"{{"predictions": [{}]}}"#, twice(number)),
            ),
        };
        let length = answer.len();
        let text = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nX-Request-Id: {id}\r\n\r\n{answer}"
        );
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn rest_request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some(("X-Request-Id", value)) => value.clone_into(&mut id),
            Some(("Content-Length", value)) => length = value.parse().unwrap(),
            _ if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((id, String::from_utf8(body).unwrap()))
}

fn twice(number: &str) -> f64 {
    number.trim().parse::<f64>().unwrap() * 2.0
}

/// Starts the gRPC stand-in and returns its address.
pub(crate) fn grpc() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(grpc_connection(socket));
            }
        });
    });
    address
}

async fn grpc_connection(socket: tokio::net::TcpStream) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond));
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) -> Option<()> {
    let (parts, mut stream) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.ok()?;
        stream.flow_control().release_capacity(chunk.len()).ok()?;
        body.extend_from_slice(&chunk);
    }
    assert_eq!(parts.headers["content-type"], "application/grpc");
    let text = std::str::from_utf8(&body[5..]).unwrap();
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .header("x-request-id", &parts.headers["x-request-id"]);
    let mut send = respond.send_response(head.body(()).unwrap(), false).ok()?;
    send.send_data(message(twice(text)), false).ok()?;
    let trailers = HeaderMap::from_iter([(
        "grpc-status".parse().unwrap(),
        HeaderValue::from_static("0"),
    )]);
    send.send_trailers(trailers).ok()
}

/// A `PredictResponse` of version 1 with one float64, behind its length.
fn message(value: f64) -> Bytes {
    let tensor = [&[0x08, 2, 0x22, 8][..], &value.to_le_bytes()].concat();
    let entry = [&[0x0a, 1, b'y', 0x12, 12][..], &tensor].concat();
    let answer = [&[0x0a, 17][..], &entry, &[0x12, 4, 0x12, 2, 0x08, 1]].concat();
    let length = u32::try_from(answer.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &answer].concat().into()
}
