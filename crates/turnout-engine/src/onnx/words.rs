//! ONNX Runtime's sentences without what only its developers can use: clients read them.

/// The longest sentence that is passed on.
const MAX_CHARS: usize = 600;
const SOURCE_SUFFIXES: [&str; 4] = [".cc:", ".h:", ".cpp:", ".hpp:"];

/// Takes out source positions, C++ signatures, status numbers and folders, and joins the lines.
///
/// Names of nodes and tensors stay, though they may look like paths: `/model/conv1/Conv`.
pub(super) fn clean(raw: &str) -> String {
    let words: Vec<&str> = without_load_path(raw).split_whitespace().collect();
    let mut rest = words.as_slice();
    let mut kept = Vec::with_capacity(rest.len());
    while let [word, after @ ..] = rest {
        rest = after;
        if *word == "[ONNXRuntimeError]" {
            rest = after_status(rest);
        } else if is_position(word) {
            rest = after_condition(after_function(word.starts_with('/'), rest));
        } else {
            kept.push(quoted_file_name(word));
        }
    }
    match kept.join(" ") {
        text if text.is_empty() => "no reason was given".to_owned(),
        text => text.chars().take(MAX_CHARS).collect(),
    }
}

/// `Load model from /private/model.onnx failed:` says nothing that the error does not say.
fn without_load_path(raw: &str) -> &str {
    let loading = raw
        .strip_prefix("Load model from ")
        .and_then(|rest| rest.split_once(" failed:"));
    loading.map_or(raw, |(_path, reason)| reason)
}

/// Skips `: 2 : INVALID_ARGUMENT :`.
fn after_status<'a, 'b>(words: &'a [&'b str]) -> &'a [&'b str] {
    match words {
        [":", number, ":", _name, ":", rest @ ..] if number.parse::<u32>().is_ok() => rest,
        _ => words,
    }
}

/// `/onnxruntime_src/core/graph/model.cc:256` or `concatbase.h:133`.
fn is_position(word: &str) -> bool {
    SOURCE_SUFFIXES.iter().any(|suffix| {
        word.rsplit_once(suffix).is_some_and(|(_, line)| {
            !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

/// Skips the function that stands behind a position: its signature behind a full path, else its bare name.
fn after_function<'a, 'b>(full_path: bool, words: &'a [&'b str]) -> &'a [&'b str] {
    if !full_path {
        let is_name = |word: &&str| {
            word.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        return words
            .split_first()
            .filter(|(word, _)| is_name(word))
            .map_or(words, |(_, rest)| rest);
    }
    let mut depth = 0i32;
    for (index, word) in words.iter().enumerate() {
        let opens = word.contains('(');
        depth += word
            .bytes()
            .map(|byte| i32::from(byte == b'(') - i32::from(byte == b')'))
            .sum::<i32>();
        if depth == 0 && (opens || word.contains(')')) {
            return after_qualifiers(&words[index + 1..]);
        }
    }
    words
}

/// Skips `const` and `[with T = float]` behind a signature.
fn after_qualifiers<'a, 'b>(words: &'a [&'b str]) -> &'a [&'b str] {
    let words = words.strip_prefix(&["const"]).unwrap_or(words);
    if words.first() != Some(&"[with") {
        return words;
    }
    let end = words.iter().position(|word| word.ends_with(']'));
    end.map_or(words, |end| &words[end + 1..])
}

/// Skips a failed check's own code, `size != 0 was false.`, where a sentence follows it.
fn after_condition<'a, 'b>(words: &'a [&'b str]) -> &'a [&'b str] {
    let end = words.windows(2).position(|pair| pair == ["was", "false."]);
    end.map(|end| &words[end + 2..])
        .filter(|rest| !rest.is_empty())
        .unwrap_or(words)
}

/// `"/private/weights.bin"` becomes `"weights.bin"`. Names of tensors stand in single quotes or none.
fn quoted_file_name(word: &str) -> &str {
    match word
        .strip_prefix("\"/")
        .and_then(|path| path.strip_suffix('"'))
    {
        Some(path) => path.rsplit('/').next().unwrap_or(path),
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn sentences_lose_what_clients_cannot_use() {
        let cases = [
            (
                "Non-zero status code returned while running Gather node. Name:'/model/embed/Gather' Status Message: \
                 indices element out of data bounds, idx=9 must be within the inclusive range [-4,3]",
                "Non-zero status code returned while running Gather node. Name:'/model/embed/Gather' Status Message: \
                 indices element out of data bounds, idx=9 must be within the inclusive range [-4,3]",
            ),
            (
                "Status Message: /onnxruntime_src/core/reshape_helper.h:84 ns::Helper::Helper(const ns::Shape&, bool) \
                 size != 0 && (input_size % size) == 0 was false. The input tensor cannot be reshaped. Input \
                 shape:{2,3}, requested shape:{-1,4}\n",
                "Status Message: The input tensor cannot be reshaped. Input shape:{2,3}, requested shape:{-1,4}",
            ),
            (
                "Status Message: concatbase.h:133 PrepareForComputeImpl Non concat axis dimensions must match",
                "Status Message: Non concat axis dimensions must match",
            ),
            (
                "/onnxruntime_src/core/graph/model.cc:256 ns::Model::Model(onnx::ModelProto&&, const \
                 std::basic_string<char>&) const [with T = float; int N = 2] Unsupported model IR version: 99",
                "Unsupported model IR version: 99",
            ),
            (
                "Exception during initialization: /src/core/initializer.cc:51 ns::Init::Init(const onnx::Proto&) \
                 [ONNXRuntimeError] : 1 : FAIL : utils.cc:1876 GetExtData External initializer: b out of bounds\n",
                "Exception during initialization: External initializer: b out of bounds",
            ),
            (
                "Load model from /cache/7/model.onnx failed:Protobuf parsing failed.",
                "Protobuf parsing failed.",
            ),
            (
                "path does not exist: \"/cache/7/weights.bin\"",
                "path does not exist: weights.bin",
            ),
            ("/a/b.cc:1 x == y was false.", "x == y was false."),
            (
                "Got invalid dimensions for input: x\n index: 1 Got: 3\n",
                "Got invalid dimensions for input: x index: 1 Got: 3",
            ),
            ("", "no reason was given"),
        ];
        for (raw, want) in cases {
            assert_eq!(clean(raw), want, "{raw}");
        }
    }

    #[test]
    fn a_flood_is_cut() {
        assert_eq!(clean(&"é".repeat(5_000)).chars().count(), 600);
    }
}
