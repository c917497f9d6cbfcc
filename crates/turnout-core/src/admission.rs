//! The budget of bytes in flight for the whole process: a permit is taken before any work and given back by dropping it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Error, Result};

/// A bounded number of bytes, shared by all doors.
#[derive(Debug)]
pub struct ByteBudget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
}

/// Holds part of a budget until dropped.
#[derive(Debug)]
pub struct BytePermit {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl ByteBudget {
    #[must_use]
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes,
            used_bytes: AtomicUsize::new(0),
        })
    }

    /// # Errors
    /// `overloaded`, naming the limit; nothing is held then.
    pub fn acquire(self: &Arc<Self>, bytes: usize) -> Result<BytePermit> {
        let mut permit = BytePermit {
            budget: Arc::clone(self),
            bytes: 0,
        };
        permit.grow(bytes)?;
        Ok(permit)
    }

    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }
}

impl BytePermit {
    /// Takes more of the budget, for a body that turns out to be larger or for its answer.
    ///
    /// # Errors
    /// `overloaded`, naming the limit; what was held is still held.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        let before = self.budget.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before
            .checked_add(bytes)
            .is_some_and(|sum| sum <= self.budget.limit_bytes)
        {
            self.bytes += bytes;
            return Ok(());
        }
        self.budget.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Err(Error::overloaded(format!(
            "the limit of bytes in flight is reached (`inflight_bytes`): got {bytes} more than {before}, limit {}",
            self.budget.limit_bytes
        )))
    }
}

impl Drop for BytePermit {
    fn drop(&mut self) {
        self.budget
            .used_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_permit_holds_nothing_and_dropping_gives_back() {
        let budget = ByteBudget::new(10);
        let mut permit = budget.acquire(6).expect("room");
        assert!(budget.acquire(5).is_err());
        assert!(permit.grow(5).is_err());
        assert_eq!(budget.used_bytes(), 6);
        permit.grow(4).expect("room");
        drop(permit);
        assert_eq!(budget.used_bytes(), 0);
    }
}
