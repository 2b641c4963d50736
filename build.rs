//! Lets the loader find the prebuilt DuckDB that the linker found.
//!
//! `libduckdb-sys` links against `DUCKDB_LIB_DIR` but leaves no trace of it in the binary,
//! so `cargo run` and `cargo test` would build and then not start. Two run paths are written:
//! the folder that was linked against, and the one beside an installed binary.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        return;
    }
    let Some(dir) = env::var_os("DUCKDB_LIB_DIR") else {
        return;
    };
    let dir = Path::new(&dir);
    let found = ["libduckdb.so", "libduckdb.dylib", "duckdb.lib"].iter().any(|name| dir.join(name).exists());
    if !found {
        println!(
            "cargo::error=no DuckDB library in {}: `make setup` fetches it (or build with `--features bundled`)",
            dir.display()
        );
        return;
    }
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "unix") {
        let origin = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
            Ok("macos") => "@executable_path",
            _ => "$ORIGIN",
        };
        println!("cargo::rustc-link-arg=-Wl,-rpath,{origin}/../lib/etl");
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", dir.display());
    }
}
