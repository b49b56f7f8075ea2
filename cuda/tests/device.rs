//! The launcher on a CUDA device. Without a driver, that it says so; with one and `INFERPROOF_CUDA_TESTS=1`, what the other tests do not see.
//! Those run on the device too.
#![cfg(feature = "driver")]

mod common;

use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_cuda::{Address, Argument, Buffer, Cuda, Device, DeviceError, Launch};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

fn message(error: &DeviceError) -> String {
    assert!(matches!(error, DeviceError::Unavailable(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("no CUDA device can be used: ") && !text.contains('\n'), "{text}");
    text
}

/// The CUDA device among those of the tests. One test has it at a time: some ask for most of its memory.
fn cuda() -> Option<(MutexGuard<'static, ()>, Arc<dyn Device>)> {
    static ALONE: Mutex<()> = Mutex::new(());
    let device = common::devices().into_iter().find(|device| device.name() != "emulator")?;
    Some((ALONE.lock().unwrap_or_else(PoisonError::into_inner), device))
}

/// Either there is a device or one line says what is missing; and never is there a device of this number.
#[test]
fn opens_or_says_why() {
    match Cuda::open(0) {
        Ok(device) => {
            assert!(!device.name().is_empty());
            // Machine code that a device refuses would go unnoticed.
            let is_hopper = ["H100", "H200", "GH200"].iter().any(|name| device.name().contains(name));
            assert!(!(is_hopper && device.is_translated()) || std::env::var_os("FAKE_CUDA").is_some(), "{device:?}");
        }
        Err(error) => eprintln!("{}", message(&error)),
    }
    message(&Cuda::open(usize::MAX).unwrap_err());
    if std::fs::exists("/proc/driver/nvidia").is_ok_and(|exists| !exists)
        && std::env::var_os("LD_LIBRARY_PATH").is_none()
    {
        assert!(Cuda::open(0).is_err());
    }
}

/// Memory that is given back is wiped, counted as free, and used again.
#[test]
fn memory() {
    let Some((_alone, device)) = cuda() else { return };
    let [free, all] = device.memory().unwrap();
    assert!(0 < free && free <= all);
    let size = 3_333_333;
    let first = Buffer::<u32>::from_slice(&device, &vec![0xdead_beef; size]).unwrap();
    let at = first.address();
    drop(first);
    let second = Buffer::<u32>::new(&device, size).unwrap();
    assert_eq!(second.address(), at);
    assert_eq!(Buffer::<u64>::new(&device, all).unwrap_err(), DeviceError::OutOfMemory { needed: 8 * all });
    assert!(Buffer::<u64>::new(&device, usize::MAX / 4).is_err());
    let [free, _] = device.memory().unwrap();
    drop(Buffer::<u32>::new(&device, free / 8).unwrap());
    assert!(device.memory().unwrap()[0] > free / 4 * 3);
    // Nor does a launch that came to nothing spoil what there is.
    // SAFETY: an error, and nothing runs.
    let launch = unsafe { device.launch("no_such_kernel", Launch::threads(1, 32), &[]) };
    assert!(matches!(launch, Err(DeviceError::Failed { what: "no_such_kernel", .. })));
    assert!(second.to_vec().unwrap().iter().all(|word| *word == 0));
}

/// Uploads outrun the device and share what they go through; so do downloads. What a caller gave may change at once.
#[test]
fn copies_in_flight() {
    let Some((_alone, device)) = cuda() else { return };
    let words =
        |seed: u32, count: u32| (0..count).map(|i| (i ^ seed).wrapping_mul(2_654_435_761)).collect::<Vec<u32>>();
    let counts = [1, 5_000_000, 3, 4_194_304, 9_000_001, 77];
    let buffers: Vec<Buffer<u32>> = (0..)
        .zip(counts)
        .map(|(seed, count)| {
            let mut values = words(seed, count);
            let buffer = Buffer::from_slice(&device, &values).unwrap();
            values.fill(0);
            buffer
        })
        .collect();
    for ((seed, count), buffer) in (0..).zip(counts).zip(&buffers) {
        assert!(buffer.to_vec().unwrap() == words(seed, count), "{count} words");
    }
}

/// A device of its own, with buffers that live longer than its name here.
#[test]
fn everything_is_given_back() {
    if std::env::var_os("INFERPROOF_CUDA_TESTS").is_none() {
        return;
    }
    let device: Arc<dyn Device> = Arc::new(Cuda::open(0).unwrap());
    let buffers = [1, 1000, 10_000_000].map(|count| Buffer::from_slice(&device, &vec![7_u32; count]).unwrap());
    assert_eq!(buffers[1].to_vec().unwrap(), [7; 1000]);
    drop(device);
}

/// When the driver has no memory left it gets back what is spare.
#[test]
fn spare_memory_is_released() {
    let Some((_alone, device)) = cuda() else { return };
    let [free, _] = device.memory().unwrap();
    // Three quarters, then the same with another size.
    for bytes in [free / 4 * 3, free / 4 * 3 - (1 << 20)] {
        let mut buffer = Buffer::<u64>::new(&device, bytes / 8).unwrap();
        buffer.write(bytes / 8 - 1, &[5]).unwrap();
        assert_eq!(buffer.read(bytes / 8 - 1, 1).unwrap(), [5]);
    }
}

/// Threads share a device.
#[test]
fn threads() {
    let Some((_alone, device)) = cuda() else { return };
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let device = &device;
            scope.spawn(move || {
                for round in 0..50 {
                    let values = vec![Fr::from(1000 * thread + round); 333];
                    let buffer = Buffer::from_slice(device, &values).unwrap();
                    let out = Buffer::<Fr>::new(device, values.len()).unwrap();
                    let arguments = [out.argument(), buffer.argument(), buffer.argument(), Argument::U32(333)];
                    // SAFETY: both have 333 elements, and no other thread has them.
                    unsafe { device.launch("probe_fr_add", Launch::threads(333, 128), &arguments) }.unwrap();
                    assert!(out.to_vec().unwrap().iter().all(|sum| *sum == values[0].double()));
                }
            });
        }
    });
}

/// A kernel that reads where there is nothing ends the device, at once and for good, and dropping what is left panics nowhere. After this the process has no
/// device any more, so the test runs alone.
#[test]
#[ignore = "spoils the device for the process: run it by its name with --ignored"]
fn a_fault_is_final() {
    let cuda: Arc<dyn Device> = Arc::new(Cuda::open(0).unwrap());
    let out = Buffer::<Fr>::new(&cuda, 32).unwrap();
    let nowhere = Argument::Address(Address(0x10));
    let arguments = [out.argument(), nowhere, nowhere, Argument::U32(32)];
    // SAFETY: none by the contract, which is broken to see what comes of it. The driver keeps a device's addresses apart from this process's memory, and the one
    // that stands in for it does not run a kernel with this address.
    let launched = unsafe { cuda.launch("probe_fr_add", Launch::threads(32, 32), &arguments) };
    let fault = launched.and_then(|()| cuda.synchronise());
    let fault = fault.unwrap_err();
    assert!(matches!(fault, DeviceError::Failed { .. }), "{fault:?}");
    let results = [
        cuda.synchronise(),
        out.to_vec().map(|_| ()),
        cuda.memory().map(|_| ()),
        Buffer::<u32>::zeros(&cuda, 9).map(|_| ()),
    ];
    for result in results {
        assert_eq!(result, Err(fault.clone()));
    }
    drop(out);
}

/// The launcher with a driver that is none: see `fake/libcuda.cpp`. It sees what a device would not show, and fails as devices do.
#[cfg(feature = "emulator")]
mod fake {
    use std::path::Path;
    use std::process::{Command, Output};

    fn build(folder: &Path) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-DFAST_HOST_FIELD", "-w"];
        let mut compiler = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
        compiler.args(flags).arg("-I").arg(root.join("kernels")).arg(root.join("tests/fake/libcuda.cpp"));
        assert!(compiler.arg("-o").arg(folder.join("libcuda.so")).status().unwrap().success());
    }

    /// This program again, with the driver in `folder`.
    fn run(folder: &Path, behaviour: &str, arguments: &[&str]) -> Output {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(arguments).args(["--nocapture", "--test-threads=1", "--skip", "fake::"]);
        program.env("LD_LIBRARY_PATH", folder).env("FAKE_CUDA", behaviour).env("INFERPROOF_CUDA_TESTS", "1");
        program.output().unwrap()
    }

    #[test]
    fn driver() {
        let folder = std::env::temp_dir().join(format!("inferproof-fake-driver-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        build(&folder);
        let says = |behaviour, arguments: &[&str], success, text: &str| {
            let output = run(&folder, behaviour, arguments);
            let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.success(), success, "{behaviour}: {said}");
            assert!(said.contains(text), "{behaviour}: {said}");
        };
        says("memory=268435456", &[], true, "loads a cubin");
        says("memory=268435456,cubin=0", &[], true, "loads PTX");
        says("memory=268435456,capability=75,pinned=0", &[], true, "loads PTX");
        says("", &["a_fault_is_final", "--ignored"], true, "1 passed");
        says("", &["everything_is_given_back"], true, "1 passed");
        for (behaviour, text) in [
            ("devices=0", "there is no device 0; the driver has 0"),
            ("init=100", "the driver does not start: error 100"),
            ("init=123456", "the driver does not start: error 123456"),
            ("version=11040", "the driver is for CUDA 11.4; one for 12.4 or later is needed"),
            ("capability=70", "Fake H200 has compute capability 7.0; 7.5 or later is needed"),
            ("cubin=0,ptx=0", "Fake H200: the provided PTX was compiled with an unsupported toolchain."),
        ] {
            says(behaviour, &["opens_or_says_why"], true, text);
            says(behaviour, &["threads"], false, text);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
