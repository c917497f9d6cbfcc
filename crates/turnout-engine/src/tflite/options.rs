//! How a model is to be compiled.

use std::ffi::{CStr, CString, c_void};
use std::ptr::NonNull;

use turnout_core::{Error, Result};

use super::api::{Api, CPU, OpaqueOptions, Options};
use super::status::{Doing, check};
use crate::handle::Owned;

/// How LiteRT finds the options of its CPU kernels, and of everything else.
const CPU_OPTIONS: &CStr = c"xnnpack";
const RUNTIME_OPTIONS: &CStr = c"runtime_options_string";
/// Keeps what the interpreter says of its failures, for [`take_messages`].
const KEEP_MESSAGES: &str = "error_reporter_mode = 2\n";

/// Which kernels execute a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernels {
    /// XNNPACK's, and for the operators that it does not take the builtin ones.
    Xnnpack,
    /// The builtin ones alone, which are slower.
    Builtin,
}

/// Options as LiteRT takes them: lines of TOML.
pub(super) fn make_options(
    api: &'static Api,
    threads: usize,
    kernels: Kernels,
) -> Result<Owned<Options>> {
    let mut options = std::ptr::null_mut();
    // SAFETY: the function makes an object for its caller.
    let status = unsafe { (api.create_options)(&raw mut options) };
    check(status, Doing::Loading)?;
    let options =
        NonNull::new(options).ok_or_else(|| Error::internal("bug: no options and no reason"))?;
    // SAFETY: the options were made for us, and this is the function that destroys them.
    let options = unsafe { Owned::new(options, api.destroy_options) };
    // SAFETY: the options are alive.
    let status = unsafe { (api.set_options_hardware_accelerators)(options.as_ptr(), CPU) };
    check(status, Doing::Loading)?;
    let kernels = match kernels {
        Kernels::Xnnpack => "",
        Kernels::Builtin => "kernel_mode = \"builtin\"\n",
    };
    add_options(
        api,
        &options,
        CPU_OPTIONS,
        &format!("num_threads = {threads}\n{kernels}"),
    )?;
    add_options(api, &options, RUNTIME_OPTIONS, KEEP_MESSAGES)?;
    Ok(options)
}

fn add_options(api: &Api, options: &Owned<Options>, kind: &CStr, toml: &str) -> Result<()> {
    let text = CString::new(toml).map_err(|_| Error::internal("bug: an option has a zero byte"))?;
    let mut opaque: *mut OpaqueOptions = std::ptr::null_mut();
    // SAFETY: both strings end with a zero byte; the kind is copied, and the text given away to `free_text`.
    let status = unsafe {
        (api.create_opaque_options)(
            kind.as_ptr(),
            text.into_raw().cast(),
            free_text,
            &raw mut opaque,
        )
    };
    check(status, Doing::Loading)?;
    // SAFETY: both are alive; on success the options own what was added.
    let status = unsafe { (api.add_opaque_options)(options.as_ptr(), opaque) };
    if status != 0 {
        // SAFETY: nobody else owns it.
        unsafe { (api.destroy_opaque_options)(opaque) };
    }
    check(status, Doing::Loading)
}

/// Frees what `add_options` gave away.
unsafe extern "system" fn free_text(text: *mut c_void) {
    // SAFETY: it was made by `CString::into_raw`, and nobody uses it after this.
    drop(unsafe { CString::from_raw(text.cast()) });
}
