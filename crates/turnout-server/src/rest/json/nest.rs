//! Nested lists to row-major elements, in one pass and without recursion.

use turnout_core::tensor::MAX_RANK;
use turnout_core::{Error, Shape};

use super::cursor::{Cursor, Parse};
use super::leaf::Leaf;

/// Reads one scalar or nested list, appends its elements and returns its shape.
///
/// The first list of each level says how long the others must be, and the first element or empty list how deep.
pub(super) fn read<L: Leaf>(cursor: &mut Cursor<'_>, values: &mut L::Values) -> Parse<Shape> {
    let mut lists = Lists::default();
    loop {
        if cursor.peek_token() == b'[' {
            lists.open()?;
            if !cursor.open(b']') {
                continue;
            }
            lists.set_rank();
            lists.close()?;
        } else if lists.set_rank() != lists.depth {
            return Err(misplaced(*cursor, &lists)?.into());
        } else if lists.depth == 0 {
            L::read(cursor, values)?;
        } else if read_run::<L>(cursor, values, &mut lists.counts[lists.depth - 1])? {
            continue;
        } else {
            lists.close()?;
        }
        if finish_value(cursor, &mut lists)? {
            return Ok(Shape::from_slice(&lists.sizes[..lists.rank.unwrap_or(0)]));
        }
    }
}

/// Reads elements of the innermost list; true when a list comes next in it, and false when it has ended.
#[inline]
fn read_run<L: Leaf>(
    cursor: &mut Cursor<'_>,
    values: &mut L::Values,
    count: &mut usize,
) -> Parse<bool> {
    loop {
        L::read(cursor, values)?;
        *count += 1;
        if !cursor.next_element()? {
            return Ok(false);
        }
        if cursor.peek_token() == b'[' {
            return Ok(true);
        }
    }
}

/// Goes on behind a value: closes the lists that end here; true when the outermost value has ended.
fn finish_value(cursor: &mut Cursor<'_>, lists: &mut Lists) -> Parse<bool> {
    while lists.depth > 0 {
        lists.counts[lists.depth - 1] += 1;
        if cursor.next_element()? {
            return Ok(false);
        }
        lists.close()?;
    }
    Ok(true)
}

fn misplaced(cursor: Cursor<'_>, lists: &Lists) -> Parse<Error> {
    let value = cursor.quote_value()?;
    Ok(Error::invalid_input(format!(
        "JSON Value: {value} found at incorrect level: {} in the JSON DOM. Expected at level: {}",
        lists.depth + 1,
        lists.rank.unwrap_or(0)
    )))
}

/// The lists that are open, and what is known of the shape.
#[derive(Default)]
struct Lists {
    depth: usize,
    rank: Option<usize>,
    /// Elements so far in the open list of each level.
    counts: [usize; MAX_RANK],
    /// The size of every list of a level, once the first has closed.
    sizes: [usize; MAX_RANK],
    /// Levels of which `sizes` is known: all from here on, since inner lists close first.
    known_from: Option<usize>,
}

impl Lists {
    fn open(&mut self) -> Result<(), Error> {
        if let Some(rank) = self.rank.filter(|rank| self.depth >= *rank) {
            let level = self.depth;
            return Err(Error::invalid_input(format!(
                "Encountered list at unexpected level: {level} expected < {rank}"
            )));
        }
        if self.depth == MAX_RANK {
            return Err(Error::invalid_input(format!(
                "too many nested lists: expected at most {MAX_RANK} levels"
            )));
        }
        self.counts[self.depth] = 0;
        self.depth += 1;
        Ok(())
    }

    /// Here is an element or an empty list: if it is the first, this level is the innermost.
    fn set_rank(&mut self) -> usize {
        *self.rank.get_or_insert(self.depth)
    }

    fn close(&mut self) -> Result<(), Error> {
        self.depth -= 1;
        let (level, size) = (self.depth, self.counts[self.depth]);
        if self.known_from.is_none_or(|known| level < known) {
            self.known_from = Some(level);
            self.sizes[level] = size;
            return Ok(());
        }
        let expected = self.sizes[level];
        if size == expected {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "Encountered list at unexpected size: {size} at level: {level} expected size: {expected}"
        )))
    }
}
