//! Interpreters of one model, of which each serves one call at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};

use turnout_core::Result;

/// At most `limit` of `T`, made when they are wanted: one with the model, another whenever all are at work.
#[derive(Debug)]
pub(super) struct Pool<T> {
    limit: usize,
    shelf: Mutex<Shelf<T>>,
    returned: Condvar,
}

#[derive(Debug)]
struct Shelf<T> {
    idle: Vec<T>,
    /// Idle ones, those at work, and those being made.
    count: usize,
}

/// One that is at work; it goes back when this is dropped.
#[derive(Debug)]
pub(super) struct Taken<'pool, T> {
    pool: &'pool Pool<T>,
    /// None only while it is dropped.
    item: Option<T>,
}

impl<T> Pool<T> {
    pub(super) fn new(first: T, limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            shelf: Mutex::new(Shelf {
                idle: vec![first],
                count: 1,
            }),
            returned: Condvar::new(),
        }
    }

    /// Takes an idle one, makes another while there may be more, or waits for the first that comes back.
    ///
    /// # Errors
    /// What `make` fails with.
    pub(super) fn take(&self, make: impl FnOnce() -> Result<T>) -> Result<Taken<'_, T>> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // The one used last: its memory is in the caches, and those that are never needed stay cold.
            if let Some(item) = shelf.idle.pop() {
                return Ok(self.taken(item));
            }
            if shelf.count < self.limit {
                shelf.count += 1;
                break;
            }
            shelf = self
                .returned
                .wait(shelf)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(shelf);
        let place = Place(self);
        let item = make()?;
        std::mem::forget(place);
        Ok(self.taken(item))
    }

    fn taken(&self, item: T) -> Taken<'_, T> {
        Taken {
            pool: self,
            item: Some(item),
        }
    }
}

/// A place for one that is being made, free again when that fails.
struct Place<'pool, T>(&'pool Pool<T>);

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        let mut shelf = self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.count -= 1;
        drop(shelf);
        self.0.returned.notify_one();
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("bug: it is there until dropped")
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect("bug: it is there until dropped")
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut shelf = self
            .pool
            .shelf
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        shelf.idle.extend(self.item.take());
        drop(shelf);
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use turnout_core::Error;

    use super::*;

    #[test]
    fn one_is_used_again_and_no_more_are_made_than_the_limit() {
        let (made, at_work, most) = (
            AtomicUsize::new(1),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let pool = Pool::new((), 3);
        let take = || {
            pool.take(|| {
                made.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
            .expect("taken")
        };
        drop(take());
        drop(take());
        assert_eq!(made.load(Ordering::SeqCst), 1);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let taken = take();
                        most.fetch_max(
                            at_work.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        std::thread::yield_now();
                        at_work.fetch_sub(1, Ordering::SeqCst);
                        drop(taken);
                    }
                });
            }
        });
        assert!(made.load(Ordering::SeqCst) <= 3);
        assert!(most.load(Ordering::SeqCst) <= 3);
    }

    #[test]
    fn one_that_cannot_be_made_leaves_its_place_to_the_next() {
        let pool = Pool::new(0, 2);
        let first = pool.take(|| Ok(1)).expect("taken");
        for _ in 0..3 {
            let failed = pool.take(|| Err(Error::execution_failed("no memory")));
            assert!(failed.is_err());
        }
        let second = pool.take(|| Ok(2)).expect("taken");
        assert_eq!((*first, *second), (0, 2));
    }
}
