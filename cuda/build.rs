//! Compiles the kernels for the processor, with the emulator that runs them, if that feature is on; and libraries that stand in for ICICLE, for tests.

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    #[cfg(feature = "emulator")]
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("kernels/host.cpp")
        .define("FAST_HOST_FIELD", None)
        .opt_level(2)
        .flag_if_supported("-Wno-unknown-pragmas")
        .compile("inferproof_emulator");
    #[cfg(all(feature = "emulator", feature = "icicle", unix))]
    build_icicle();
}

/// See `tests/fake/icicle.cpp`.
#[cfg(all(feature = "emulator", feature = "icicle", unix))]
fn build_icicle() {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    println!("cargo::rerun-if-changed=tests/fake/icicle.cpp");
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let compiler = cc::Build::new().cpp(true).std("c++17").opt_level(2).get_compiler();
    for (folder, layout) in [("icicle", None), ("other-icicle", Some("-DOTHER_LAYOUT"))] {
        let folder = out.join(folder);
        std::fs::create_dir_all(folder.join("backend")).expect("a folder for what is built");
        for (part, library) in [("DEVICE", "device"), ("FIELD", "field_bn254"), ("CURVE", "curve_bn254")] {
            let mut command = compiler.to_command();
            command
                .args(["-shared", "-fPIC", "-fvisibility=hidden", "-DFAST_HOST_FIELD", "-w", "-Ikernels"])
                .args(layout);
            if cfg!(target_os = "macos") {
                command.args(["-undefined", "dynamic_lookup"]);
            }
            command.arg(format!("-DPART_{part}")).arg("tests/fake/icicle.cpp").arg("-o");
            command.arg(folder.join(format!("{DLL_PREFIX}icicle_{library}{DLL_SUFFIX}")));
            assert!(command.status().is_ok_and(|status| status.success()), "{command:?}");
        }
    }
}
