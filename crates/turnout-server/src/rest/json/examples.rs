//! The request document of Classify and Regress: JSON objects to serialized Examples.
//!
//! The whole text is checked first; then `context` and `examples` are read from where they stand. What a feature holds is
//! decided by its first value, and said in the words of TensorFlow Serving.

use bytes::Bytes;
use turnout_core::{Error, Result};

use super::cursor::{Cursor, Fault, Parse};
use super::document::{
    SignatureName, about, check_end, open_object, read_signature_name, signature_name,
};
use super::leaf::{base64_object, decode_base64, type_name};
use super::string::RawString;
use super::{ExamplesDocument, JsonOptions};
use crate::grpc::wire::{ExampleWriter, FeatureKind, input_fields};

/// Where the values of the keys begin.
#[derive(Default)]
struct Places<'a> {
    signature_name: Option<SignatureName<'a>>,
    context: Option<usize>,
    examples: Option<usize>,
}

/// See [`super::decode_examples`].
pub(super) fn decode(body: &[u8], options: JsonOptions) -> Result<ExamplesDocument> {
    let places = find_places(body, options).map_err(Fault::into_error)?;
    let name = signature_name(body, places.signature_name.as_ref())?;
    let mut writer = Writer::default();
    if let Some(start) = places.context {
        let mut cursor = Cursor::at(body, start);
        writer
            .read_example(&mut cursor, input_fields::CONTEXT)
            .map_err(Fault::into_error)?;
    }
    let Some(start) = places.examples else {
        let text = "When method is classify, key 'examples' is expected and was not found";
        return Err(about(body, text));
    };
    let mut cursor = Cursor::at(body, start);
    if cursor.peek_token() != b'[' {
        let text = "Expecting 'examples' value to be an list/array";
        return Err(about(body, text));
    }
    if cursor.open(b']') {
        return Err(about(body, "'examples' value is an empty array"));
    }
    writer
        .read_examples(&mut cursor)
        .map_err(Fault::into_error)?;
    Ok(ExamplesDocument {
        signature_name: name.map_or_else(String::new, RawString::to_text),
        list: Bytes::from(writer.list),
    })
}

/// Of a key that comes twice the first counts.
fn find_places(body: &[u8], options: JsonOptions) -> Parse<Places<'_>> {
    let (mut cursor, mut more) = open_object(body, options)?;
    let mut places = Places::default();
    while more {
        let name = cursor.member_name()?;
        let start = cursor.position();
        if name.is("signature_name") && places.signature_name.is_none() {
            places.signature_name = Some(read_signature_name(&mut cursor)?);
        } else {
            if name.is("context") {
                places.context.get_or_insert(start);
            } else if name.is("examples") {
                places.examples.get_or_insert(start);
            }
            cursor.skip_value()?;
        }
        more = cursor.next_member()?;
    }
    check_end(&mut cursor, options)?;
    Ok(places)
}

/// A serialized `ExampleListWithContext` in the making.
#[derive(Default)]
struct Writer {
    example: ExampleWriter,
    list: Vec<u8>,
    /// Names and texts without their escapes.
    name: Vec<u8>,
    text: Vec<u8>,
}

impl Writer {
    /// Reads the rest of a list that is open and has an element.
    fn read_examples(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        loop {
            self.read_example(cursor, input_fields::EXAMPLES)?;
            if !cursor.next_element()? {
                return Ok(());
            }
        }
    }

    /// Reads one object as field `number` of the list. Of a feature that comes twice the last one counts, as in an Example.
    fn read_example(&mut self, cursor: &mut Cursor<'_>, number: u32) -> Parse<()> {
        if cursor.peek_token() != b'{' {
            return Err(Error::invalid_input(format!(
                "Example must be JSON object but got JSON {}",
                type_name(*cursor)
            ))
            .into());
        }
        let mut more = !cursor.open(b'}');
        while more {
            let name = cursor.member_name()?;
            self.name.clear();
            name.append_to(&mut self.name);
            self.read_feature(cursor)?;
            self.example.end_feature(&self.name);
            more = cursor.next_member()?;
        }
        self.example.end_example(&mut self.list, number);
        Ok(())
    }

    fn read_feature(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        if cursor.peek_token() != b'[' {
            return self.read_value(cursor);
        }
        let mut more = !cursor.open(b']');
        while more {
            cursor.skip_space();
            self.read_value(cursor)?;
            more = cursor.next_element()?;
        }
        Ok(())
    }

    fn read_value(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        match cursor.peek() {
            b'"' => {
                self.expect(FeatureKind::Bytes)?;
                let text = cursor.string()?;
                self.text.clear();
                text.append_to(&mut self.text);
                self.example.push_bytes(&self.text);
            }
            b'{' => {
                let Some((encoded, behind)) = base64_object(*cursor) else {
                    return Err(self.wrong_json_type(*cursor));
                };
                self.expect(FeatureKind::Bytes)?;
                self.text.clear();
                if !decode_base64(encoded, &mut self.text) {
                    return Err(Error::invalid_input("Unable to base64 decode").into());
                }
                self.example.push_bytes(&self.text);
                *cursor = behind;
            }
            b't' | b'f' => {
                self.expect(FeatureKind::Int64s)?;
                let value = cursor.take(b"true");
                if !value && !cursor.take(b"false") {
                    return cursor.fault("Invalid value.");
                }
                self.example.push_int64(i64::from(value));
            }
            b'[' | b'n' => return Err(self.wrong_json_type(*cursor)),
            _ => self.read_number(cursor)?,
        }
        Ok(())
    }

    /// A number without point and exponent is an integer, unless it is beyond what any integer holds.
    fn read_number(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        let number = cursor.number()?;
        match number.to_integer() {
            Some(value) if i64::try_from(value).is_ok() => {
                self.expect(FeatureKind::Int64s)?;
                let value = i64::try_from(value).expect("bug: it was one before");
                self.example.push_int64(value);
            }
            Some(value) if u64::try_from(value).is_ok() => {
                self.expect(FeatureKind::Int64s)?;
                let name = self.feature_name();
                return Err(Error::invalid_input(format!(
                    "Feature: {name} has uint64 element. Only int64 is supported."
                ))
                .into());
            }
            _ => {
                self.expect(FeatureKind::Floats)?;
                self.example.push_float(number.to_f32()?);
            }
        }
        Ok(())
    }

    /// The first value of a feature decides what it holds.
    fn expect(&self, kind: FeatureKind) -> Parse<()> {
        let Some(open) = self.example.kind().filter(|open| *open != kind) else {
            return Ok(());
        };
        let expected = match open {
            FeatureKind::Bytes => "bytes",
            FeatureKind::Floats => "float",
            FeatureKind::Int64s => "int64",
        };
        let name = self.feature_name();
        Err(Error::invalid_input(format!(
            "Unexpected element type in feature: {name} expecting type: {expected}"
        ))
        .into())
    }

    fn wrong_json_type(&self, cursor: Cursor<'_>) -> Fault {
        let (name, kind) = (self.feature_name(), type_name(cursor));
        let text = format!("Feature: {name} has element with unexpected JSON type: {kind}");
        Error::invalid_input(text).into()
    }

    fn feature_name(&self) -> String {
        crate::rest::shorten(&String::from_utf8_lossy(&self.name))
    }
}
