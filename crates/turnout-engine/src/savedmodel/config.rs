//! How a session is to be made: the few fields of a `ConfigProto`.

use std::thread::available_parallelism;

use turnout_core::Result;
use turnout_core::snapshot::SavedModelSettings;

use super::wire::fields;
use crate::Threads;

/// Tags of the fields: number and wire type.
const INTRA_OP_THREADS: u8 = 2 << 3;
const INTER_OP_THREADS: u8 = 5 << 3;
const USE_PER_SESSION_THREADS: u8 = 9 << 3;
const EXPERIMENTAL: [u8; 2] = [0x82, 0x01];
const DISABLE_THREAD_SPINNING: u8 = 9 << 3;

/// In the calling thread, which spares the hand-over to a pool: 4.5 in place of 10 µs a call for an 8-32-32-1 network.
const IN_THE_CALLER: i64 = -1;
/// TensorFlow's one pool for the operators of all graphs, as wide as the cores.
const IN_THE_POOL: i64 = 0;

/// The serialized `ConfigProto`: what is chosen here, and after it what the settings say, which wins. No thread spins when
/// it is idle: it would take from the event loops.
///
/// The number of intra-op threads counts where `TF_OVERRIDE_GLOBAL_THREADPOOL` was set when the first session was made, as
/// Turnout's Python sees to; without it the first session of the process decides for all.
pub(super) fn session_config(threads: Threads, settings: &SavedModelSettings) -> Vec<u8> {
    let cores = || available_parallelism().map_or(1, std::num::NonZero::get);
    let (intra_op, inter_op) = match threads {
        Threads::Caller => (1, IN_THE_CALLER),
        Threads::SharedPool => (cores(), IN_THE_POOL),
        Threads::Own(count) => (count.max(1), IN_THE_POOL),
    };
    let inter_op = settings.inter_op_threads.map_or(inter_op, i64::from);
    let mut config = vec![INTRA_OP_THREADS];
    push_varint(&mut config, intra_op as u64);
    config.push(INTER_OP_THREADS);
    push_varint(&mut config, inter_op.cast_unsigned());
    if inter_op > 0 {
        // A pool of the session's own: the one for all is as wide as the first session of the process said.
        config.extend([USE_PER_SESSION_THREADS, 1]);
    }
    config.extend(EXPERIMENTAL);
    config.extend([2, DISABLE_THREAD_SPINNING, 1]);
    config.extend(&settings.session_config);
    config
}

/// Whether a serialized `ConfigProto` has XLA compile parts of the graph: `graph_options` (10), `optimizer_options` (3) and
/// in them `global_jit_level` (5), which is above 0 for that.
///
/// # Errors
/// `load_failed` when the message is malformed.
pub(super) fn has_xla(config: &[u8]) -> Result<bool> {
    let mut level = 0;
    for field in fields(config) {
        let (10, graph) = field? else { continue };
        for field in fields(graph.bytes()?) {
            let (3, optimizer) = field? else { continue };
            for field in fields(optimizer.bytes()?) {
                if let (5, jit_level) = field? {
                    level = jit_level.number()?.cast_signed();
                }
            }
        }
    }
    Ok(level > 0)
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

    fn settings(inter_op_threads: Option<i32>, session_config: &[u8]) -> SavedModelSettings {
        SavedModelSettings {
            tags: Vec::new(),
            inter_op_threads,
            session_config: session_config.to_vec(),
        }
    }

    #[test]
    fn configs_are_as_the_schema_serializes_them() {
        let none = settings(None, &[]);
        let caller = [
            0x10, 0x01, 0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x82,
            0x01, 0x02, 0x48, 0x01,
        ];
        assert_eq!(session_config(Threads::Caller, &none), caller);
        let own = [0x10, 0xac, 0x02, 0x28, 0x00, 0x82, 0x01, 0x02, 0x48, 0x01];
        assert_eq!(session_config(Threads::Own(300), &none), own);
        let cores = available_parallelism().expect("some").get();
        assert_eq!(
            session_config(Threads::SharedPool, &none),
            session_config(Threads::Own(cores), &none)
        );
    }

    #[test]
    fn the_last_level_says_whether_xla_compiles() {
        let level = |level: u8| vec![0x52, 4, 0x1a, 2, 0x28, level];
        let off = [&[0x52, 13, 0x1a, 11, 0x28][..], &[0xff; 9], &[1]].concat();
        for (config, want) in [
            (Vec::new(), false),
            (vec![0x52, 0], false),
            (level(0), false),
            (level(1), true),
            ([level(1), off.clone()].concat(), false),
            ([off, level(2)].concat(), true),
        ] {
            assert_eq!(has_xla(&config).expect("whole"), want, "{config:?}");
        }
    }

    #[test]
    fn what_is_set_beats_what_is_chosen() {
        let config = session_config(Threads::Caller, &settings(Some(3), &[0x38, 1]));
        let own_pool = [
            0x10, 0x01, 0x28, 0x03, 0x48, 0x01, 0x82, 0x01, 0x02, 0x48, 0x01, 0x38, 0x01,
        ];
        assert_eq!(config, own_pool);
        let shared = session_config(Threads::Caller, &settings(Some(0), &[]));
        assert_eq!(
            shared,
            [0x10, 0x01, 0x28, 0x00, 0x82, 0x01, 0x02, 0x48, 0x01]
        );
    }
}
