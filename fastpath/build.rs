//! Compiles the programs in bpf with clang. Without clang the crate builds all the same and says at
//! run time that they are not built in.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=bpf/kernel.h");
    println!("cargo:rerun-if-env-changed=BPF_CLANG");
    println!("cargo:rerun-if-env-changed=PATH");
    let Some(folder) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    for name in ["relay", "steer"] {
        println!("cargo:rerun-if-changed=bpf/{name}.c");
        if env::var_os("CARGO_FEATURE_XDP").is_some() {
            build(name, &folder.join(format!("{name}.o")));
        }
    }
}

fn build(name: &str, object: &Path) {
    let clang = env::var("BPF_CLANG").unwrap_or_else(|_| "clang".to_owned());
    let compiled = Command::new(&clang)
        .args(["-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Wextra", "-Werror"])
        .args(["-c", &format!("bpf/{name}.c"), "-o"])
        .arg(object)
        .status();
    match compiled {
        Ok(status) if status.success() => return,
        Ok(status) => println!("cargo:warning={clang} could not compile bpf/{name}.c: {status}"),
        Err(error) => println!("cargo:warning={name} is not built in: {clang}: {error}"),
    }
    if let Err(error) = fs::write(object, []) {
        println!("cargo:warning={}: {error}", object.display());
    }
}
