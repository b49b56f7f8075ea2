//! ICICLE's sums of points and transforms, by its libraries that are there when the program runs. Nothing of it is needed to build this crate.
//!
//! The layouts are those of its version 3, see `api`. A library with others gives wrong results or reads what is not there: the structures that it reads
//! end with zeros, and results that are known are computed before any other.

mod api;
mod check;
mod error;

pub use error::{IcicleCode, IcicleError};

use crate::device::wipe;
use api::{Api, Code, Device, MsmConfig, NttConfig, NttInitDomainConfig, Projective, Scalar};
use ff::{Field, PrimeField};
use group::Group;
use halo2_proofs::halo2curves::CurveExt;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1, G1Affine};
use std::ffi::{c_int, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Folders with libraries that stand in for ICICLE: such as version 3 has, and others.
#[cfg(feature = "emulator")]
#[doc(hidden)]
pub const FAKES: [&str; 2] = [concat!(env!("OUT_DIR"), "/icicle"), concat!(env!("OUT_DIR"), "/other-icicle")];

/// Scalars of one call: what a device needs for a call grows with them.
const MAX_SCALARS: usize = 1 << 20;
/// The least size that a domain is made for: that of the transforms that are checked.
const LEAST_K: u32 = check::TRANSFORM_K;

/// The domain that ICICLE has, for all threads of the process. It may have one a device, which this does not rest on.
static DOMAIN: Mutex<Option<Domain>> = Mutex::new(None);

/// Roots of unity up to order `2^k`, as `owner` has given them.
#[derive(Clone, Copy)]
struct Domain {
    owner: u64,
    k: u32,
}

/// A device of ICICLE's. Calls of all threads, and those to other devices, wait for each other.
///
/// What it leaves in the memory of its device is not wiped. An exception that leaves its functions ends the process.
pub struct Icicle {
    api: Api,
    device: Device,
    name: String,
    /// Tells the owners of domains apart.
    id: u64,
}

impl std::fmt::Debug for Icicle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Icicle({})", self.name)
    }
}

/// Which way a transform goes.
#[derive(Clone, Copy)]
enum Direction {
    Forward = 0,
    Inverse = 1,
}

impl Icicle {
    /// Loads `libicicle_device`, `libicicle_field_bn254` and `libicicle_curve_bn254` of a folder, for good, and checks on the device of that type (`CUDA`, `CPU`)
    /// and number that they compute what they are to. What drives the device is taken from `backend` in that folder, or from where ICICLE looks for it
    /// (`ICICLE_BACKEND_INSTALL_DIR`).
    ///
    /// Does NOT check whose these files are: what they do is done in this process.
    ///
    /// # Errors
    /// [`IcicleError`]: a library or function that is missing, no such device, or other results.
    pub fn open(folder: &Path, device: &str, number: u32) -> Result<Arc<Self>, IcicleError> {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let name = format!("{device} {number}");
        let unknown = |code| IcicleError::Device { device: name.clone(), code };
        let device = Device::new(device, number).ok_or_else(|| unknown(IcicleCode::InvalidArgument))?;
        let api = Api::load(folder)?;
        api.load_backend(&folder.join("backend"));
        // SAFETY: the device outlives the call. Asked first, since the other functions throw for a type that ICICLE does not know.
        unsafe { (api.icicle_is_device_available)(&raw const device) }.ok().map_err(unknown)?;
        // SAFETY: as above.
        unsafe { (api.icicle_set_device)(&raw const device) }.ok().map_err(unknown)?;
        let icicle = Arc::new(Self { api, device, name, id: OPENED.fetch_add(1, Ordering::Relaxed) });
        check::sums(&icicle)?;
        icicle.with(|domain| icicle.provide(domain, LEAST_K))?;
        Ok(icicle)
    }

    /// What it is, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls `f` with the device made the calling thread's, and with the domain, which nobody else uses meanwhile.
    fn with<T>(&self, f: impl FnOnce(&mut Option<Domain>) -> Result<T, IcicleError>) -> Result<T, IcicleError> {
        let mut domain = DOMAIN.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the device outlives the call.
        called("icicle_set_device", unsafe { (self.api.icicle_set_device)(&raw const self.device) })?;
        f(&mut domain)
    }

    /// Coefficients from the values of polynomials at the powers of the root of unity that halo2 has for their number.
    ///
    /// # Errors
    /// [`IcicleError`].
    ///
    /// # Panics
    /// If there are not as many coefficients as values, or if their number is no power of two up to `2^28`.
    pub fn interpolate(&self, values: &[Fr], coefficients: &mut [Fr]) -> Result<(), IcicleError> {
        self.transform(Direction::Inverse, Fr::ONE, values, coefficients)
    }

    /// Values at `shift omega^i` from coefficients, with the root of unity of [`Self::interpolate`].
    ///
    /// # Errors
    /// As [`Self::interpolate`].
    ///
    /// # Panics
    /// As [`Self::interpolate`].
    pub fn evaluate_on_coset(&self, coefficients: &[Fr], shift: Fr, values: &mut [Fr]) -> Result<(), IcicleError> {
        self.transform(Direction::Forward, shift, coefficients, values)
    }

    fn transform(&self, direction: Direction, shift: Fr, from: &[Fr], to: &mut [Fr]) -> Result<(), IcicleError> {
        assert!(from.len().is_power_of_two() && from.len() <= 1 << Fr::S, "a transform of {} elements", from.len());
        self.with(|domain| {
            self.provide(domain, from.len().ilog2())?;
            self.ntt(direction, shift, from, to)
        })
    }

    /// A transform that the domain has the roots for.
    fn ntt(&self, direction: Direction, shift: Fr, from: &[Fr], to: &mut [Fr]) -> Result<(), IcicleError> {
        assert_eq!(from.len(), to.len(), "as many elements as there were");
        let config = NttConfig::new(Scalar::canonical(shift));
        // Elements stay in Montgomery form: a transform of all of them times a constant is the transform times that constant.
        // SAFETY: `size` elements are read and written, of four words as `Fr` has them; the caller sees that none of them overlap, and that nobody replaces
        // the domain. What is written is reduced, or a wrong `Fr`, but still one.
        let code = unsafe {
            (self.api.bn254_ntt)(
                from.as_ptr().cast(),
                from.len() as c_int,
                direction as c_int,
                &raw const config,
                to.as_mut_ptr().cast(),
            )
        };
        called("bn254_ntt", code)
    }

    /// Sees to it that ICICLE has halo2's roots of unity up to order `2^k`.
    fn provide(&self, domain: &mut Option<Domain>, k: u32) -> Result<(), IcicleError> {
        if domain.is_some_and(|domain| domain.owner == self.id && domain.k >= k) {
            return Ok(());
        }
        *domain = None;
        let k = k.max(LEAST_K);
        let root = Scalar::canonical((k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square()));
        let config = NttInitDomainConfig::new();
        // A domain that is there already stays, whatever its root is, and without an error. That there is none to release is no error of ours.
        // SAFETY: no transform is under way: the lock of the domain is held.
        let _ = unsafe { (self.api.bn254_ntt_release_domain)() };
        // SAFETY: both outlive the call.
        let code = unsafe { (self.api.bn254_ntt_init_domain)(&raw const root, &raw const config) };
        called("bn254_ntt_init_domain", code)?;
        check::transforms(self)?;
        *domain = Some(Domain { owner: self.id, k });
        Ok(())
    }
}

/// Points in the memory of a device of ICICLE's.
#[derive(Debug)]
pub struct IciclePoints {
    icicle: Arc<Icicle>,
    /// Where they are; null if there are none.
    at: *mut c_void,
    count: usize,
}

// SAFETY: the address is one of the device, which any thread may use once it has made the device its own: `Icicle::with` does.
unsafe impl Send for IciclePoints {}
// SAFETY: as above; the points are written once, before anybody else has them.
unsafe impl Sync for IciclePoints {}

impl Drop for IciclePoints {
    fn drop(&mut self) {
        if !self.at.is_null() {
            // A device that has failed has nothing to give back.
            let _ = self.icicle.with(|_| {
                // SAFETY: allocated by `new`, and given back once.
                called("icicle_free", unsafe { (self.icicle.api.icicle_free)(self.at) })
            });
        }
    }
}

impl IciclePoints {
    /// Copies points to the device. The identity is a point like others.
    ///
    /// # Errors
    /// [`IcicleError`], [`IcicleError::OutOfMemory`] for one.
    pub fn new(icicle: &Arc<Icicle>, points: &[G1Affine]) -> Result<Self, IcicleError> {
        // (0, 0) is the identity for both. Points in Montgomery form would be converted in each sum.
        let canonical: Vec<[Scalar; 2]> = points.iter().map(|p| [p.x, p.y].map(Scalar::canonical)).collect();
        let bytes = size_of_val(&canonical[..]);
        let mut held = Self { icicle: icicle.clone(), at: std::ptr::null_mut(), count: points.len() };
        if bytes > 0 {
            icicle.with(|_| {
                let mut at = std::ptr::null_mut();
                // SAFETY: it writes where the memory is.
                let code = unsafe { (icicle.api.icicle_malloc)(&raw mut at, bytes) };
                code.ok().map_err(|code| match code {
                    IcicleCode::OutOfMemory | IcicleCode::AllocationFailed => {
                        IcicleError::OutOfMemory { needed: bytes }
                    }
                    code => IcicleError::Failed { call: "icicle_malloc", code },
                })?;
                held.at = at;
                // SAFETY: both have as many bytes.
                let code = unsafe { (icicle.api.icicle_copy_to_device)(held.at, canonical.as_ptr().cast(), bytes) };
                called("icicle_copy_to_device", code)
            })?;
        }
        Ok(held)
    }

    /// `sum_i s_i P_i` for each column of scalars, over the first points. Those of one length are summed together, up to `2^20` scalars at a time.
    ///
    /// # Errors
    /// [`IcicleError`].
    ///
    /// # Panics
    /// If a column has more scalars than there are points, or more than `2^28`.
    pub fn sums(&self, columns: &[&[Fr]]) -> Result<Vec<G1>, IcicleError> {
        let mut sums = Vec::with_capacity(columns.len());
        for alike in columns.chunk_by(|a, b| a.len() == b.len()) {
            let size = alike[0].len();
            assert!(size <= self.count && size <= 1 << Fr::S, "{size} scalars for {} points", self.count);
            if size == 0 {
                sums.extend(alike.iter().map(|_| G1::identity()));
                continue;
            }
            for batch in alike.chunks((MAX_SCALARS / size).max(1)) {
                if let [column] = batch {
                    sums.extend(self.msm(column, size)?);
                } else {
                    let mut scalars = batch.concat();
                    let result = self.msm(&scalars, size);
                    wipe(&mut scalars, Fr::ZERO);
                    sums.extend(result?);
                }
            }
        }
        Ok(sums)
    }

    /// The sums of columns of `size` scalars each, one after the other in `scalars`.
    fn msm(&self, scalars: &[Fr], size: usize) -> Result<Vec<G1>, IcicleError> {
        let mut sums = vec![Projective::default(); scalars.len() / size];
        let config = MsmConfig::new(sums.len() as c_int);
        self.icicle.with(|_| {
            // SAFETY: `size` points are on the device and `size` scalars for each sum are here, of four words as `Fr` has them; there is room for the sums.
            let code = unsafe {
                (self.icicle.api.bn254_msm)(
                    scalars.as_ptr().cast(),
                    self.at,
                    size as c_int,
                    &raw const config,
                    sums.as_mut_ptr(),
                )
            };
            called("bn254_msm", code)
        })?;
        let points: Option<Vec<G1>> = sums.into_iter().map(point).collect();
        points.ok_or(IcicleError::Differs { what: "a sum that is no point" })
    }
}

fn called(call: &'static str, code: Code) -> Result<(), IcicleError> {
    code.ok().map_err(|code| IcicleError::Failed { call, code })
}

/// The point `(x / z, y / z)`, if it is one; the identity with `z = 0`.
fn point(Projective([x, y, z]): Projective) -> Option<G1> {
    let element = |scalar: Scalar| Option::<Fq>::from(Fq::from_repr(scalar.0));
    let (x, y, z) = (element(x)?, element(y)?, element(z)?);
    if bool::from(z.is_zero()) {
        return Some(G1::identity());
    }
    // In Jacobian coordinates: x z / z^2 and y z^2 / z^3.
    G1::new_jacobian(x * z, y * z.square(), z).into()
}
