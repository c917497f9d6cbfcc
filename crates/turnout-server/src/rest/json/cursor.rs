//! A position in a JSON text: white space, literals, and skipping whole values without recursion.
//!
//! The grammar is RFC 8259 plus the number tokens `NaN`, `Inf` and `Infinity`; the words of the errors are those that
//! clients of TensorFlow Serving know.

use smallvec::SmallVec;
use turnout_core::Error;

use super::string::RawString;

/// Why a value could not be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The text is not JSON from here on.
    Syntax { what: &'static str, offset: usize },
    /// The text may be JSON but says what it must not.
    Value(Error),
}

impl Fault {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Syntax { what, offset } => {
                Error::malformed(format!("JSON Parse error: {what} at offset: {offset}"))
            }
            Self::Value(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Value(error)
    }
}

pub(super) type Parse<T> = Result<T, Fault>;

/// Most bytes of the client's own text that an error message repeats.
const QUOTE_BYTES: usize = 256;

/// Reads a JSON text from left to right. Copying one is how to look ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn remaining_bytes(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next byte, or NUL at the end: a byte that no JSON token begins with.
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.position).copied().unwrap_or(0)
    }

    /// Goes `count` bytes on, which the caller has looked at.
    pub(super) fn advance(&mut self, count: usize) {
        self.position += count;
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.position += 1;
        }
    }

    /// The next byte that is not white space.
    pub(super) fn peek_token(&mut self) -> u8 {
        self.skip_space();
        self.peek()
    }

    pub(super) fn fault<T>(&self, what: &'static str) -> Parse<T> {
        Err(self.fault_here(what))
    }

    pub(super) fn fault_here(&self, what: &'static str) -> Fault {
        Fault::Syntax {
            what,
            offset: self.position,
        }
    }

    /// Takes the whole of `word`, whose first byte comes next.
    ///
    /// # Faults
    /// An invalid value, where the text begins to differ.
    pub(super) fn take_word(&mut self, word: &[u8]) -> Parse<()> {
        let rest = &self.bytes[self.position..];
        let same = rest
            .iter()
            .zip(word)
            .take_while(|(left, right)| left == right);
        let same = same.count();
        self.position += same;
        if same == word.len() {
            return Ok(());
        }
        self.fault("Invalid value.")
    }

    /// Takes `text` if it comes next.
    pub(super) fn take(&mut self, text: &[u8]) -> bool {
        let found = self.bytes[self.position..].starts_with(text);
        if found {
            self.position += text.len();
        }
        found
    }

    /// A member's name and its colon; stands at the value afterwards.
    pub(super) fn member_name(&mut self) -> Parse<RawString<'a>> {
        if self.peek_token() != b'"' {
            return self.fault("Missing a name for object member.");
        }
        let name = self.string()?;
        if self.peek_token() != b':' {
            return self.fault("Missing a colon after a name of object member.");
        }
        self.advance(1);
        self.skip_space();
        Ok(name)
    }

    /// What follows a member's value: true for another member, false for the end of the object.
    pub(super) fn next_member(&mut self) -> Parse<bool> {
        match self.peek_token() {
            b',' => self.advance(1),
            b'}' => {
                self.advance(1);
                return Ok(false);
            }
            _ => return self.fault("Missing a comma or } after an object member."),
        }
        Ok(true)
    }

    /// What follows a list's element: true for another element, false for the end of the list.
    pub(super) fn next_element(&mut self) -> Parse<bool> {
        match self.peek_token() {
            b',' => self.advance(1),
            b']' => {
                self.advance(1);
                return Ok(false);
            }
            _ => return self.fault("Missing a comma or ] after an array element."),
        }
        Ok(true)
    }

    /// Opens a list or an object; true when it is empty, and then closed as well.
    pub(super) fn open(&mut self, close: u8) -> bool {
        self.advance(1);
        let empty = self.peek_token() == close;
        if empty {
            self.advance(1);
        }
        empty
    }

    /// Checks one value of any depth and goes behind it. Its depth costs one bit a level, and no stack.
    pub(super) fn skip_value(&mut self) -> Parse<()> {
        let mut open = Nesting::default();
        loop {
            let token = self.peek_token();
            let opened = match token {
                b'{' => !self.open(b'}'),
                b'[' => !self.open(b']'),
                _ => {
                    self.skip_scalar(token)?;
                    false
                }
            };
            if opened {
                open.push(token == b'{');
            }
            if opened && token == b'{' {
                self.member_name()?;
            }
            if !opened && !self.skip_to_next(&mut open)? {
                return Ok(());
            }
        }
    }

    fn skip_scalar(&mut self, token: u8) -> Parse<()> {
        match token {
            b'"' => self.string().map(drop),
            b't' => self.take_word(b"true"),
            b'f' => self.take_word(b"false"),
            b'n' => self.take_word(b"null"),
            _ => self.number()?.check_size(),
        }
    }

    /// Goes on behind a value: closes what ends here; false when nothing is open any more.
    fn skip_to_next(&mut self, open: &mut Nesting) -> Parse<bool> {
        while let Some(in_object) = open.top() {
            let more = if in_object {
                self.next_member()?
            } else {
                self.next_element()?
            };
            if more {
                if in_object {
                    self.member_name()?;
                }
                return Ok(true);
            }
            open.pop();
        }
        Ok(false)
    }

    /// The text of the value that begins here, shortened for a message.
    pub(super) fn quote_value(mut self) -> Parse<String> {
        self.skip_space();
        let start = self.position;
        self.skip_value()?;
        Ok(quote(&self.bytes[start..self.position]))
    }
}

/// The client's own text, shortened, with what is not UTF-8 replaced.
pub(super) fn quote(text: &[u8]) -> String {
    let text = text.trim_ascii();
    let shown = &text[..text.len().min(QUOTE_BYTES)];
    let mut quoted = String::from_utf8_lossy(shown).into_owned();
    if shown.len() < text.len() {
        quoted.push_str("...");
    }
    quoted
}

/// Which kinds of brackets are open, one bit each: set for an object.
#[derive(Default)]
struct Nesting {
    bits: SmallVec<[u64; 2]>,
    depth: usize,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.bits.len() {
            self.bits.push(0);
        }
        self.bits[word] = self.bits[word] & !(1 << bit) | (u64::from(object) << bit);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
    }

    fn top(&self) -> Option<bool> {
        let last = self.depth.checked_sub(1)?;
        Some(self.bits[last / 64] >> (last % 64) & 1 == 1)
    }
}
