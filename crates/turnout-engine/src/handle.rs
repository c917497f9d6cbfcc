//! Owners of a C library's objects: what is created is released once, also on an error's way out.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

type Release<T> = unsafe extern "system" fn(*mut T);

/// An object and the function that releases it.
#[derive(Debug)]
pub(crate) struct Owned<T> {
    pointer: NonNull<T>,
    release: Release<T>,
}

impl<T> Owned<T> {
    /// # Safety
    /// `pointer` is released by `release` and by nobody else.
    pub(crate) unsafe fn new(pointer: NonNull<T>, release: Release<T>) -> Self {
        Self { pointer, release }
    }

    /// Leaves the release to the caller.
    pub(crate) fn into_raw(self) -> *mut T {
        ManuallyDrop::new(self).as_ptr()
    }

    pub(crate) fn as_ptr(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `new`'s contract: this is the only release, and nothing uses the pointer after its owner.
        unsafe { (self.release)(self.pointer.as_ptr()) }
    }
}
