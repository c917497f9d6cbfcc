//! Row format: `instances` is a list with one element per row, plain values or one object per row.

use turnout_core::{Error, ErrorCode, Shape, Signature, Tensor};

use super::column::Column;
use super::cursor::{Cursor, Fault, Parse, quote};
use super::leaf::base64_object;

/// Reads the value of `instances`, at which `cursor` stands.
pub(super) fn read(cursor: &mut Cursor<'_>, signature: &Signature) -> Parse<Vec<Tensor>> {
    let mut first = *cursor;
    if first.peek_token() != b'[' {
        return Err(document_error(
            cursor,
            "Expecting 'instances' to be an list/array",
        ));
    }
    if first.open(b']') {
        return Err(document_error(cursor, "No values in 'instances' array"));
    }
    if is_named_row(first) {
        cursor.open(b']');
        return read_named(cursor, signature);
    }
    let [spec] = signature.inputs.as_slice() else {
        return Err(Error::invalid_input(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per \
             tensorinfo_map",
        )
        .into());
    };
    let start = *cursor;
    let mut column = Column::new(spec.dtype, cursor.remaining_bytes());
    match column.read(cursor) {
        Ok(shape) => Ok(vec![column.finish(spec, shape)?]),
        // Read as one nested list first, for speed; row by row only to say which row is wrong.
        Err(Fault::Value(_)) => {
            *cursor = start;
            cursor.open(b']');
            read_plain(cursor, signature)
        }
        Err(syntax) => Err(syntax),
    }
}

fn is_named_row(mut element: Cursor<'_>) -> bool {
    element.peek_token() == b'{' && base64_object(element).is_none()
}

/// One input's rows: each must have the shape of the first.
struct Rows {
    column: Column,
    first: Option<Shape>,
}

impl Rows {
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        let before = self.column.len();
        let shape = self.column.read(cursor)?;
        let Some(first) = &self.first else {
            self.first = Some(shape);
            return Ok(());
        };
        if *first == shape {
            return Ok(());
        }
        let (expected, size) = (first.iter().product::<usize>(), self.column.len() - before);
        let message = if expected == size {
            format!(
                "Expecting shape {} but got: {}",
                dims_text(first),
                dims_text(&shape)
            )
        } else {
            format!("Expecting tensor size: {expected} but got: {size}")
        };
        Err(Error::invalid_input(message).into())
    }

    fn shape(&self, rows: usize) -> Shape {
        let first = self.first.as_deref().unwrap_or_default();
        std::iter::once(rows).chain(first.iter().copied()).collect()
    }
}

/// Plain rows of the only input; `cursor` stands at the first row.
fn read_plain(cursor: &mut Cursor<'_>, signature: &Signature) -> Parse<Vec<Tensor>> {
    let spec = &signature.inputs[0];
    let mut rows = Rows {
        column: Column::new(spec.dtype, cursor.remaining_bytes()),
        first: None,
    };
    let mut count = 0;
    loop {
        cursor.skip_space();
        if is_named_row(*cursor) {
            let text = format!("Expecting value/list but got object at item {count} of input list");
            return Err(Error::invalid_input(text).into());
        }
        rows.read(cursor)
            .map_err(|fault| in_row(fault, count, None))?;
        count += 1;
        if !cursor.next_element()? {
            let shape = rows.shape(count);
            return Ok(vec![rows.column.finish(spec, shape)?]);
        }
    }
}

/// Rows that are objects; `cursor` stands at the first.
fn read_named(cursor: &mut Cursor<'_>, signature: &Signature) -> Parse<Vec<Tensor>> {
    let mut table = Table::new(signature, cursor.remaining_bytes());
    loop {
        cursor.skip_space();
        if !is_named_row(*cursor) {
            let text = format!(
                "Expecting object but got list at item {} of input list",
                table.count
            );
            return Err(Error::invalid_input(text).into());
        }
        table.read_row(cursor)?;
        if !cursor.next_element()? {
            return table.finish();
        }
    }
}

/// All inputs of a signature, filled row by row.
struct Table<'a> {
    signature: &'a Signature,
    inputs: Vec<Rows>,
    /// Which input came at each position of the last row: clients keep one order.
    order: Vec<usize>,
    /// The number of the row, from 1, that last had each input.
    seen: Vec<usize>,
    count: usize,
}

impl<'a> Table<'a> {
    fn new(signature: &'a Signature, text_bytes: usize) -> Self {
        let share = text_bytes / signature.inputs.len().max(1);
        let rows = |dtype| Rows {
            column: Column::new(dtype, share),
            first: None,
        };
        Self {
            signature,
            inputs: signature
                .inputs
                .iter()
                .map(|spec| rows(spec.dtype))
                .collect(),
            order: Vec::with_capacity(signature.inputs.len()),
            seen: vec![0; signature.inputs.len()],
            count: 0,
        }
    }

    fn read_row(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        let row = *cursor;
        let mut found = 0;
        let mut more = !cursor.open(b'}');
        while more {
            self.read_member(cursor, found)?;
            found += 1;
            more = cursor.next_member()?;
        }
        if found != self.inputs.len() {
            return Err(self.wrong_keys(row)?.into());
        }
        self.count += 1;
        Ok(())
    }

    fn read_member(&mut self, cursor: &mut Cursor<'_>, position: usize) -> Parse<()> {
        let name = cursor.member_name()?;
        let specs = &self.signature.inputs;
        let usual = self
            .order
            .get(position)
            .copied()
            .filter(|input| name.is(&specs[*input].name));
        let found = usual.or_else(|| specs.iter().position(|spec| name.is(&spec.name)));
        let Some(input) = found else {
            let text = format!("JSON object: does not have named input: {}", name.to_text());
            return Err(in_row(
                Error::invalid_input(text).into(),
                self.count,
                Some(&name.to_text()),
            ));
        };
        if std::mem::replace(&mut self.seen[input], self.count + 1) == self.count + 1 {
            let error = Error::invalid_input("JSON object: repeats this key");
            return Err(in_row(error.into(), self.count, Some(&name.to_text())));
        }
        if usual.is_none() {
            self.order.truncate(position);
            self.order.push(input);
        }
        self.inputs[input]
            .read(cursor)
            .map_err(|fault| in_row(fault, self.count, Some(&name.to_text())))
    }

    fn wrong_keys(&self, row: Cursor<'_>) -> Parse<Error> {
        let mut names: Vec<&str> = self
            .signature
            .inputs
            .iter()
            .map(|spec| spec.name.as_str())
            .collect();
        names.sort_unstable();
        Ok(Error::invalid_input(format!(
            "Failed to process element: {} of 'instances' list. JSON object: {} keys must be equal to: {}",
            self.count,
            row.quote_value()?,
            names.join(",")
        )))
    }

    fn finish(self) -> Parse<Vec<Tensor>> {
        let finished = self
            .inputs
            .into_iter()
            .zip(&self.signature.inputs)
            .map(|(rows, spec)| {
                let shape = rows.shape(self.count);
                rows.column.finish(spec, shape)
            });
        Ok(finished.collect::<Result<_, Error>>()?)
    }
}

/// Says in which row, and under which key, a value is wrong.
fn in_row(fault: Fault, row: usize, key: Option<&str>) -> Fault {
    let Fault::Value(error) = fault else {
        return fault;
    };
    let status = if error.code() == ErrorCode::Unsupported {
        "UNIMPLEMENTED"
    } else {
        "INVALID_ARGUMENT"
    };
    let key = key.map(|key| format!(" key: {key}")).unwrap_or_default();
    let message = error.message();
    let text = format!(
        "Failed to process element: {row}{key} of 'instances' list. Error: {status}: {message}"
    );
    Fault::Value(Error::invalid_input(text))
}

fn document_error(cursor: &Cursor<'_>, what: &str) -> Fault {
    Fault::Value(Error::malformed(format!(
        "JSON Value: {} {what}",
        quote(cursor.bytes())
    )))
}

/// `[3,2]`, as the protocol's messages write shapes.
fn dims_text(shape: &[usize]) -> String {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", dims.join(","))
}
