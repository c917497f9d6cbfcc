//! How a session is to be made: the few fields of a `ConfigProto`.

use std::thread::available_parallelism;

use crate::Threads;

/// Tags of the fields: number and wire type.
const INTRA_OP_THREADS: u8 = 2 << 3;
const INTER_OP_THREADS: u8 = 5 << 3;
const EXPERIMENTAL: [u8; 2] = [0x82, 0x01];
const DISABLE_THREAD_SPINNING: u8 = 9 << 3;

/// In the calling thread, which spares the hand-over to a pool: 4.5 in place of 10 µs a call for an 8-32-32-1 network.
const IN_THE_CALLER: i64 = -1;
/// TensorFlow's one pool for the operators of all graphs, as wide as the cores.
const IN_THE_POOL: i64 = 0;

/// The serialized `ConfigProto`. No thread spins when it is idle: it would take from the event loops.
///
/// The number of intra-op threads counts where `TF_OVERRIDE_GLOBAL_THREADPOOL` was set when the first session was made, as
/// Turnout's Python sees to; without it the first session of the process decides for all.
pub(super) fn session_config(threads: Threads) -> Vec<u8> {
    let cores = || available_parallelism().map_or(1, std::num::NonZero::get);
    let (intra_op, inter_op) = match threads {
        Threads::Caller => (1, IN_THE_CALLER),
        Threads::SharedPool => (cores(), IN_THE_POOL),
        Threads::Own(count) => (count.max(1), IN_THE_POOL),
    };
    let mut config = vec![INTRA_OP_THREADS];
    push_varint(&mut config, intra_op as u64);
    config.push(INTER_OP_THREADS);
    push_varint(&mut config, inter_op.cast_unsigned());
    config.extend(EXPERIMENTAL);
    config.extend([2, DISABLE_THREAD_SPINNING, 1]);
    config
}

fn push_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    message.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_are_as_the_schema_serializes_them() {
        let caller = [
            0x10, 0x01, 0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x82,
            0x01, 0x02, 0x48, 0x01,
        ];
        assert_eq!(session_config(Threads::Caller), caller);
        let own = [0x10, 0xac, 0x02, 0x28, 0x00, 0x82, 0x01, 0x02, 0x48, 0x01];
        assert_eq!(session_config(Threads::Own(300)), own);
        let cores = available_parallelism().expect("some").get();
        assert_eq!(
            session_config(Threads::SharedPool),
            session_config(Threads::Own(cores))
        );
    }
}
