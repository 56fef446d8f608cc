//! Compiles bpf/relay.c with clang. Without clang the crate builds all the same and says at run
//! time that the program is not built in.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=bpf/relay.c");
    println!("cargo:rerun-if-changed=bpf/kernel.h");
    println!("cargo:rerun-if-env-changed=BPF_CLANG");
    println!("cargo:rerun-if-env-changed=PATH");
    let Some(folder) = env::var_os("OUT_DIR") else { return };
    let object = PathBuf::from(folder).join("relay.o");
    if env::var_os("CARGO_FEATURE_XDP").is_none() {
        return;
    }
    let clang = env::var("BPF_CLANG").unwrap_or_else(|_| "clang".to_owned());
    let compiled = Command::new(&clang)
        .args(["-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Wextra", "-Werror"])
        .args(["-c", "bpf/relay.c", "-o"])
        .arg(&object)
        .status();
    match compiled {
        Ok(status) if status.success() => return,
        Ok(status) => println!("cargo:warning={clang} could not compile bpf/relay.c: {status}"),
        Err(error) => println!("cargo:warning=the kernel path is not built in: {clang}: {error}"),
    }
    if let Err(error) = fs::write(&object, []) {
        println!("cargo:warning={}: {error}", object.display());
    }
}
