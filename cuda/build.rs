//! Compiles the kernels for the processor, with the emulator that runs them, if that feature is on.

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
}
