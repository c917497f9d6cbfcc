//! Memory that LiteRT reads inputs from and writes outputs to.

use std::alloc::{Layout as Block, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr::NonNull;

use turnout_core::{DType, Error, Result};

use super::api::{Api, Layout, MAX_RANK, TensorBuffer, TensorType};
use super::signature::element_of;
use super::status::{Doing, check};
use crate::handle::Owned;

/// What LiteRT demands of host memory.
const ALIGNMENT_BYTES: usize = 64;
/// XNNPACK's kernels read, though never use, so much beyond the end.
const READ_BEYOND_BYTES: usize = 128;

/// One tensor's memory, and LiteRT's view of it.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Before the memory that it views.
    view: Owned<TensorBuffer>,
    memory: Memory,
}

#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    size_bytes: usize,
    block: Block,
}

impl Buffer {
    /// Room for an input of exactly this shape.
    pub(super) fn of_shape(api: &'static Api, dtype: DType, shape: &[usize]) -> Result<Self> {
        if shape.len() > MAX_RANK {
            return Err(Error::invalid_input(format!(
                "a tensor has too many dimensions: got {}, expected at most {MAX_RANK}",
                shape.len()
            )));
        }
        let mut layout = Layout {
            rank: u32::try_from(shape.len()).expect("bug: checked above"),
            ..Layout::default()
        };
        for (place, dim) in layout.dims.iter_mut().zip(shape) {
            *place = i32::try_from(*dim)
                .map_err(|_| Error::invalid_input(format!("a dimension is too large: {dim}")))?;
        }
        let size_bytes = bytes_of(dtype, shape)?;
        Self::new(api, dtype, layout, size_bytes)
    }

    /// Room for an output of up to so many bytes. LiteRT does not look at the shape of an output's view.
    pub(super) fn of_size(api: &'static Api, dtype: DType, size_bytes: usize) -> Result<Self> {
        let element = dtype.size_bytes().unwrap_or(1);
        let size_bytes = size_bytes.max(element);
        let mut layout = Layout {
            rank: 1,
            ..Layout::default()
        };
        layout.dims[0] = i32::try_from(size_bytes / element)
            .map_err(|_| Error::execution_failed("an output is larger than LiteRT can address"))?;
        Self::new(api, dtype, layout, size_bytes)
    }

    fn new(api: &'static Api, dtype: DType, layout: Layout, size_bytes: usize) -> Result<Self> {
        let memory = Memory::new(size_bytes)?;
        let kind = TensorType {
            element: element_of(dtype)?,
            layout,
        };
        let mut view = std::ptr::null_mut();
        // SAFETY: the memory has so many bytes, is aligned, and outlives the view, which does not free it.
        let status = unsafe {
            (api.create_tensor_buffer_from_host_memory)(
                &raw const kind,
                memory.start.as_ptr().cast::<c_void>(),
                size_bytes,
                None,
                &raw mut view,
            )
        };
        check(status, Doing::Running)?;
        let view =
            NonNull::new(view).ok_or_else(|| Error::internal("bug: no buffer and no reason"))?;
        // SAFETY: the view was made for us, and this is the function that destroys it.
        let view = unsafe { Owned::new(view, api.destroy_tensor_buffer) };
        Ok(Self { view, memory })
    }

    pub(super) fn as_ptr(&self) -> *mut TensorBuffer {
        self.view.as_ptr()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the memory is ours, initialised, and LiteRT writes to it during a call alone, which borrows it mutably.
        unsafe { std::slice::from_raw_parts(self.memory.start.as_ptr(), self.memory.size_bytes) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe {
            std::slice::from_raw_parts_mut(self.memory.start.as_ptr(), self.memory.size_bytes)
        }
    }
}

impl Memory {
    fn new(size_bytes: usize) -> Result<Self> {
        let no_memory =
            || Error::execution_failed(format!("no memory for a tensor of {size_bytes} bytes"));
        let block = size_bytes
            .checked_add(READ_BEYOND_BYTES)
            .and_then(|bytes| Block::from_size_align(bytes, ALIGNMENT_BYTES).ok())
            .ok_or_else(no_memory)?;
        // SAFETY: the block is not empty.
        let start = NonNull::new(unsafe { alloc_zeroed(block) }).ok_or_else(no_memory)?;
        Ok(Self {
            start,
            size_bytes,
            block,
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and nobody uses it after this.
        unsafe { dealloc(self.start.as_ptr(), self.block) };
    }
}

/// # Errors
/// `invalid_input` when there is no such number.
pub(super) fn bytes_of(dtype: DType, shape: &[usize]) -> Result<usize> {
    let element = dtype.size_bytes().unwrap_or(1);
    shape
        .iter()
        .try_fold(element, |product, dim| product.checked_mul(*dim))
        .ok_or_else(|| Error::invalid_input("a tensor is larger than any memory"))
}
