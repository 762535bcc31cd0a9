//! Keeps a statically linked glibc from loading the host's name-service modules, which crash it where the host's glibc
//! is another (measured: SIGFPE and SIGSEGV in `getaddrinfo` with `mdns4_minimal`, `resolve` or `myhostname`).

/// Files and DNS only, both of which are linked in. Must come before the first name is resolved.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
#[expect(unsafe_code, reason = "glibc offers this setting as a C function only")]
pub fn pin() {
    use std::ffi::{c_char, c_int};
    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const c_char, line: *const c_char) -> c_int;
    }
    // SAFETY: both arguments are constant C strings, and no other thread exists yet.
    unsafe {
        __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr());
    }
}

/// Nothing to pin: other C libraries load no modules into a static program.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub fn pin() {}
