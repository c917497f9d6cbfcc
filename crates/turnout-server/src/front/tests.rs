use std::net::TcpStream;
use std::time::{Duration, Instant};

use turnout_core::snapshot::{Readiness, Snapshot};

use crate::{DataPlane, testing};

fn snapshot(sequence: u64, ready: bool) -> Snapshot {
    Snapshot {
        sequence,
        ready: Readiness {
            ready,
            reason: String::new(),
        },
        servables: Vec::new(),
        models: Vec::new(),
    }
}

fn connects_soon(address: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

#[test]
fn beside_another_server_connections_are_taken_from_readiness_on() {
    let former = DataPlane::new(testing::settings()).expect("starts");
    let address = former
        .listen("rest", "127.0.0.1:0", true, None)
        .expect("binds");
    former.apply(snapshot(1, true)).expect("applies");
    assert!(connects_soon(&address));

    let next = DataPlane::new(testing::settings()).expect("starts");
    next.listen("rest", &address, true, None)
        .expect("binds beside");
    next.apply(snapshot(1, false)).expect("applies");
    former.close();
    assert!(TcpStream::connect(&address).is_err(), "not ready yet");
    next.apply(snapshot(2, true)).expect("applies");
    assert!(connects_soon(&address));
    next.close();
}

#[test]
fn a_server_that_never_became_ready_ends_all_the_same() {
    let plane = DataPlane::new(testing::settings()).expect("starts");
    plane
        .listen("rest", "127.0.0.1:0", true, None)
        .expect("binds");
    assert!(plane.drain(Duration::ZERO, Duration::from_secs(5)));
    plane.close();
}
