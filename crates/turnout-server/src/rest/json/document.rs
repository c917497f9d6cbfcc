//! The request document: its keys in any order, in one pass.
//!
//! The tensors are read as soon as they are met, with the signature known by then. Only where `signature_name` comes
//! later and names another one are they read again.

use turnout_core::{Error, Result, Signature, Tensor};

use super::cursor::{Cursor, Fault, Parse, quote};
use super::string::RawString;
use super::{DecodedPredict, Format, JsonOptions, columns, rows};

/// The value of `instances` or `inputs`: where it is, and what it says under a signature.
struct Slot {
    start: usize,
    signature: usize,
    tensors: Result<Vec<Tensor>>,
}

#[derive(Default)]
struct Document<'a> {
    signature_name: Option<SignatureName<'a>>,
    instances: Option<Slot>,
    inputs: Option<Slot>,
    /// The first key that nothing knows or that came before.
    odd_key: Option<RawString<'a>>,
}

pub(super) enum SignatureName<'a> {
    Text(RawString<'a>),
    NotText,
}

/// See [`super::decode_predict`].
pub(super) fn decode(
    body: &[u8],
    signatures: &[Signature],
    options: JsonOptions,
) -> Result<DecodedPredict> {
    let document = read(body, signatures, options).map_err(Fault::into_error)?;
    let name = signature_name(body, document.signature_name.as_ref())?;
    check_keys(&document, options)?;
    let signature = find(signatures, name)?;
    if signatures[signature].inputs.is_empty() {
        let name = name.map_or_else(|| "DEFAULT".to_owned(), RawString::to_text);
        return Err(Error::invalid_input(format!(
            "Failed to get input map for signature: {name}"
        )));
    }
    let (slot, format) = match (document.instances, document.inputs) {
        (Some(slot), None) => (slot, Format::Row),
        (None, Some(slot)) => (slot, Format::Column),
        (None, None) => return Err(Error::malformed("Missing 'inputs' or 'instances' key")),
        (Some(_), Some(_)) => {
            return Err(about(
                body,
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
            ));
        }
    };
    let inputs = if slot.signature == signature {
        slot.tensors?
    } else {
        let mut cursor = Cursor::at(body, slot.start);
        read_tensors(&mut cursor, &signatures[signature], format, options)
            .map_err(Fault::into_error)?
    };
    Ok(DecodedPredict {
        signature,
        inputs,
        format,
    })
}

/// See [`super::check_document`].
pub(super) fn check(body: &[u8], options: JsonOptions) -> Result<()> {
    let document = read(body, &[], options).map_err(Fault::into_error)?;
    signature_name(body, document.signature_name.as_ref())?;
    check_keys(&document, options)
}

fn check_keys(document: &Document<'_>, options: JsonOptions) -> Result<()> {
    match document.odd_key.filter(|_| options.strict) {
        Some(key) => Err(Error::malformed(format!(
            "the document has a key that is unknown or comes twice: `{}`",
            quote(key.to_text().as_bytes())
        ))
        .with_hint("`rest_mode = \"compatible\"` ignores such keys.")),
        None => Ok(()),
    }
}

/// Reads the whole document. Its syntax is checked to the end before anything that it says counts.
fn read<'a>(body: &'a [u8], signatures: &[Signature], options: JsonOptions) -> Parse<Document<'a>> {
    let (mut cursor, mut more) = open_object(body, options)?;
    let mut document = Document::default();
    while more {
        document.read_member(&mut cursor, signatures, options)?;
        more = cursor.next_member()?;
    }
    check_end(&mut cursor, options)?;
    Ok(document)
}

/// Opens the document's object; says whether it has a member.
pub(super) fn open_object(body: &[u8], options: JsonOptions) -> Parse<(Cursor<'_>, bool)> {
    let mut cursor = Cursor::new(body);
    cursor.take(b"\xef\xbb\xbf");
    cursor.skip_space();
    if body.is_empty() {
        // The one syntax error that has no offset in the protocol's own words.
        return Err(Error::malformed("JSON Parse error: The document is empty").into());
    }
    if cursor.remaining_bytes() == 0 || matches!(cursor.peek(), b']' | b'}' | b',' | b':') {
        return cursor.fault("The document is empty.");
    }
    if cursor.peek() != b'{' {
        cursor.skip_value()?;
        check_end(&mut cursor, options)?;
        return Err(about(body, "Is not object").into());
    }
    let more = !cursor.open(b'}');
    Ok((cursor, more))
}

pub(super) fn check_end(cursor: &mut Cursor<'_>, options: JsonOptions) -> Parse<()> {
    cursor.skip_space();
    if !options.strict || cursor.remaining_bytes() == 0 {
        return Ok(());
    }
    cursor.fault("The document root must not be followed by other values.")
}

impl<'a> Document<'a> {
    /// Of a key that comes twice the first counts.
    fn read_member(
        &mut self,
        cursor: &mut Cursor<'a>,
        signatures: &[Signature],
        options: JsonOptions,
    ) -> Parse<()> {
        let name = cursor.member_name()?;
        if name.is("instances") && self.instances.is_none() {
            self.instances = Some(self.read_slot(cursor, signatures, Format::Row, options)?);
        } else if name.is("inputs") && self.inputs.is_none() {
            self.inputs = Some(self.read_slot(cursor, signatures, Format::Column, options)?);
        } else if name.is("signature_name") && self.signature_name.is_none() {
            self.signature_name = Some(read_signature_name(cursor)?);
        } else {
            self.odd_key.get_or_insert(name);
            cursor.skip_value()?;
        }
        Ok(())
    }

    fn read_slot(
        &self,
        cursor: &mut Cursor<'a>,
        signatures: &[Signature],
        format: Format,
        options: JsonOptions,
    ) -> Parse<Slot> {
        let start = cursor.position();
        let named = match &self.signature_name {
            Some(SignatureName::Text(name)) => find(signatures, Some(*name)).ok(),
            Some(SignatureName::NotText) => None,
            None => Some(0),
        };
        let Some((index, signature)) =
            named.and_then(|index| Some((index, signatures.get(index)?)))
        else {
            cursor.skip_value()?;
            let tensors = Err(Error::internal("bug: tensors read without a signature"));
            return Ok(Slot {
                start,
                signature: usize::MAX,
                tensors,
            });
        };
        let tensors = match read_tensors(cursor, signature, format, options) {
            Ok(tensors) => Ok(tensors),
            Err(Fault::Value(error)) => {
                *cursor = Cursor::at(cursor.bytes(), start);
                cursor.skip_value()?;
                Err(error)
            }
            Err(syntax) => return Err(syntax),
        };
        Ok(Slot {
            start,
            signature: index,
            tensors,
        })
    }
}

fn read_tensors(
    cursor: &mut Cursor<'_>,
    signature: &Signature,
    format: Format,
    options: JsonOptions,
) -> Parse<Vec<Tensor>> {
    match format {
        Format::Row => rows::read(cursor, signature),
        Format::Column => columns::read(cursor, signature, options),
    }
}

pub(super) fn read_signature_name<'a>(cursor: &mut Cursor<'a>) -> Parse<SignatureName<'a>> {
    if cursor.peek() == b'"' {
        return cursor.string().map(SignatureName::Text);
    }
    cursor.skip_value()?;
    Ok(SignatureName::NotText)
}

pub(super) fn signature_name<'a>(
    body: &[u8],
    found: Option<&SignatureName<'a>>,
) -> Result<Option<RawString<'a>>> {
    match found {
        Some(SignatureName::Text(name)) => Ok(Some(*name)),
        Some(SignatureName::NotText) => Err(about(
            body,
            "not formatted correctly. 'signature_name' key must be a string value.",
        )),
        None => Ok(None),
    }
}

/// No name, and the empty one, mean the first signature.
fn find(signatures: &[Signature], name: Option<RawString<'_>>) -> Result<usize> {
    let wanted = name.filter(|name| !name.is(""));
    let position = match wanted {
        Some(name) => signatures
            .iter()
            .position(|signature| name.is(&signature.name)),
        None => (!signatures.is_empty()).then_some(0),
    };
    position.ok_or_else(|| {
        let name = wanted.map_or_else(
            || turnout_core::signature::DEFAULT_SIGNATURE.to_owned(),
            RawString::to_text,
        );
        Error::signature_not_found(format!(
            "Serving signature name: \"{name}\" not found in signature def"
        ))
    })
}

pub(super) fn about(body: &[u8], what: &str) -> Error {
    Error::malformed(format!("JSON Value: {} {what}", quote(body)))
}
