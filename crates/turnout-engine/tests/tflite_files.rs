//! Broken TensorFlow Lite files: each is refused or runs, and none ends the process, which this program's own end would show.

mod common;

use common::litert::litert;
use common::options;
use turnout_engine::warmup::generate;
use turnout_engine::{Artifact, Model};

/// Files of each model and kind of damage; `TURNOUT_BROKEN_FILES` tries more.
const FILES: u64 = 60;

/// Marsaglia's `xorshift64` (2003): the same damage each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below a size")
    }
}

/// Bytes, words, or the end of a file, damaged.
fn damage(file: &mut Vec<u8>, kind: u64, numbers: &mut Numbers) {
    match kind {
        0 => file.truncate(numbers.below(file.len())),
        1 => {
            for _ in 0..=numbers.below(8) {
                let place = numbers.below(file.len());
                file[place] = u8::try_from(numbers.below(256)).expect("a byte");
            }
        }
        // Small and large numbers where an index, a size or an offset may lie.
        _ => {
            for _ in 0..=numbers.below(3) {
                let place = numbers.below(file.len() / 4 - 1) * 4;
                let small = u32::try_from(numbers.below(40)).expect("small");
                let word =
                    [small, small.wrapping_neg(), u32::MAX, 1 << 31, small << 16][numbers.below(5)];
                file[place..place + 4].copy_from_slice(&word.to_le_bytes());
            }
        }
    }
}

/// Runs every signature once on made-up inputs, as the warm-up and a client would.
fn use_model(model: &dyn Model) {
    for (index, signature) in model.signatures().iter().enumerate() {
        if generate::size_bytes(signature, 3) > 1 << 24 {
            continue;
        }
        for rows in [1, 3] {
            if let Ok(inputs) = generate::inputs(signature, rows, 0) {
                let _ = model.run(index, inputs);
            }
        }
    }
}

#[test]
fn no_broken_file_ends_the_process() {
    let Some(litert) = litert() else { return };
    let files =
        std::env::var("TURNOUT_BROKEN_FILES").map_or(FILES, |text| text.parse().expect("a number"));
    let (mut loaded, mut refused) = (0, 0);
    for name in [
        "mlp",
        "images",
        "aliases",
        "control",
        "reshaped",
        "tiled",
        "identities",
        "plain",
    ] {
        let whole = litert.bytes(name);
        for number in 0..files {
            for kind in 0..3 {
                let mut file = whole.clone();
                damage(&mut file, kind, &mut Numbers(number * 3 + kind + 1));
                if std::env::var_os("TURNOUT_BROKEN_FILE").is_some() {
                    std::fs::write("/tmp/broken.tflite", &file).expect("written");
                }
                match litert.engine.load(&Artifact::from_bytes(file), &options()) {
                    Ok(model) => {
                        loaded += 1;
                        use_model(&*model);
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        let model = litert.load(name);
        for case in litert.cases(name) {
            let (index, inputs) = case.arrange(&*model);
            model.run(index, inputs).expect("a whole one still runs");
        }
    }
    assert!(
        loaded > 100 && refused > 100,
        "{loaded} loaded, {refused} refused"
    );
}
