//! Real functions that tables are made of.
//!
//! Spec: `docs/spec/network.md#functions`. Every value comes from `+ - * /` of doubles and from the pure-Rust `libm`,
//! whose version is pinned: the same formula gives the same table, hence the same program, on every machine.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A double that can be a key: compared by its bits' total order, never `NaN` in a valid architecture.
///
/// Written as the shortest decimal that names it, in a string: what reads numbers in JSON may be off by a bit.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64);

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom(format!("a real number in decimals, got `{text}`")))
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A function of one real number. Names, parameters and conventions are those of the ONNX operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
#[non_exhaustive]
pub enum Formula {
    /// `|x|`.
    Abs,
    /// `alpha (exp(x / alpha) - 1)` below 0, else `x`.
    Celu {
        /// Parameter, not 0.
        alpha: Real,
    },
    /// `ceil(x)`.
    Ceil,
    /// `min(max(x, lo), hi)`.
    Clip {
        /// Lower bound.
        lo: Real,
        /// Upper bound; it wins where it is below `lo`.
        hi: Real,
    },
    /// `alpha (exp(x) - 1)` below 0, else `x`.
    Elu {
        /// Parameter.
        alpha: Real,
    },
    /// The error function.
    Erf,
    /// `exp(x)`.
    Exp,
    /// `floor(x)`.
    Floor,
    /// `x (1 + erf(x / sqrt 2)) / 2`.
    Gelu,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    GeluTanh,
    /// `min(max(alpha x + beta, 0), 1)`.
    HardSigmoid {
        /// Slope.
        alpha: Real,
        /// Value at 0.
        beta: Real,
    },
    /// `x min(max(x / 6 + 1/2, 0), 1)`.
    HardSwish,
    /// `alpha x` below 0, else `x`.
    LeakyRelu {
        /// Slope below 0.
        alpha: Real,
    },
    /// `ln(x)`; only defined above 0.
    Log,
    /// `x tanh(ln(1 + exp(x)))`.
    Mish,
    /// `-x`.
    Neg,
    /// `1 / x`; not defined at 0.
    Reciprocal,
    /// To the nearest integer, halves to the even one.
    Round,
    /// `gamma alpha (exp(x) - 1)` below 0, else `gamma x`.
    Selu {
        /// First parameter.
        alpha: Real,
        /// Second parameter.
        gamma: Real,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// -1, 0 or 1.
    Sign,
    /// `x / (1 + exp(-alpha x))`.
    Silu {
        /// Slope of the exponent; 1 for SiLU itself.
        alpha: Real,
    },
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// The square root; only defined from 0 on.
    Sqrt,
    /// `tanh(x)`.
    Tanh,
    /// `x` above `alpha`, else 0.
    ThresholdedRelu {
        /// Threshold.
        alpha: Real,
    },
}

impl Formula {
    /// The operator's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Abs => "Abs",
            Self::Celu { .. } => "Celu",
            Self::Ceil => "Ceil",
            Self::Clip { .. } => "Clip",
            Self::Elu { .. } => "Elu",
            Self::Erf => "Erf",
            Self::Exp => "Exp",
            Self::Floor => "Floor",
            Self::Gelu => "Gelu",
            Self::GeluTanh => "GeluTanh",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Log => "Log",
            Self::Mish => "Mish",
            Self::Neg => "Neg",
            Self::Reciprocal => "Reciprocal",
            Self::Round => "Round",
            Self::Selu { .. } => "Selu",
            Self::Sigmoid => "Sigmoid",
            Self::Sign => "Sign",
            Self::Silu { .. } => "Silu",
            Self::Softplus => "Softplus",
            Self::Softsign => "Softsign",
            Self::Sqrt => "Sqrt",
            Self::Tanh => "Tanh",
            Self::ThresholdedRelu { .. } => "ThresholdedRelu",
        }
    }

    /// The value at `x`, in doubles. Not a number or infinite where the function is not defined.
    #[must_use]
    pub fn evaluate(&self, x: f64) -> f64 {
        let elu = |alpha: f64| if x < 0.0 { alpha * libm::expm1(x) } else { x };
        match *self {
            Self::Abs => x.abs(),
            Self::Celu { alpha } => x.max(0.0) + (alpha.0 * libm::expm1(x / alpha.0)).min(0.0),
            Self::Ceil => libm::ceil(x),
            Self::Clip { lo, hi } => x.max(lo.0).min(hi.0),
            Self::Elu { alpha } => elu(alpha.0),
            Self::Erf => libm::erf(x),
            Self::Exp => libm::exp(x),
            Self::Floor => libm::floor(x),
            Self::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + libm::tanh(inner))
            }
            Self::HardSigmoid { alpha, beta } => (alpha.0 * x + beta.0).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::LeakyRelu { alpha } => {
                if x < 0.0 {
                    alpha.0 * x
                } else {
                    x
                }
            }
            Self::Log => libm::log(x),
            Self::Mish => x * libm::tanh(softplus(x)),
            Self::Neg => -x,
            Self::Reciprocal => 1.0 / x,
            Self::Round => libm::rint(x),
            Self::Selu { alpha, gamma } => gamma.0 * elu(alpha.0),
            Self::Sigmoid => sigmoid(x),
            Self::Sign => {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum()
                }
            }
            Self::Silu { alpha } => x * sigmoid(alpha.0 * x),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Sqrt => x.sqrt(),
            Self::Tanh => libm::tanh(x),
            Self::ThresholdedRelu { alpha } => {
                if x > alpha.0 {
                    x
                } else {
                    0.0
                }
            }
        }
    }

    /// Whether no value is negative.
    #[must_use]
    pub fn is_non_negative(&self) -> bool {
        match self {
            Self::Abs | Self::Exp | Self::HardSigmoid { .. } | Self::Sigmoid | Self::Softplus | Self::Sqrt => true,
            Self::Clip { lo, hi } => lo.0 >= 0.0 && hi.0 >= 0.0,
            Self::ThresholdedRelu { alpha } => alpha.0 >= 0.0,
            _ => false,
        }
    }

    /// Whether every value is an integer: one integer of such a tensor stands for one unit.
    #[must_use]
    pub const fn is_integral(&self) -> bool {
        matches!(self, Self::Ceil | Self::Floor | Self::Round | Self::Sign)
    }

    /// The parameters, for a check that they are finite.
    #[must_use]
    pub fn parameters(&self) -> Vec<f64> {
        match *self {
            Self::Celu { alpha }
            | Self::Elu { alpha }
            | Self::LeakyRelu { alpha }
            | Self::Silu { alpha }
            | Self::ThresholdedRelu { alpha } => vec![alpha.0],
            Self::Clip { lo, hi } => vec![lo.0, hi.0],
            Self::HardSigmoid { alpha, beta } => vec![alpha.0, beta.0],
            Self::Selu { alpha, gamma } => vec![alpha.0, gamma.0],
            _ => vec![],
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    // The exponent is never positive, so nothing overflows.
    let e = libm::exp(-x.abs());
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from tables of the functions, not from this code.
    #[test]
    fn formulas_have_their_known_values() {
        let real = Real;
        let known = [
            (Formula::Abs, -2.5, 2.5),
            (Formula::Celu { alpha: real(2.0) }, -2.0, -1.264_241_117_657_115),
            (Formula::Ceil, -1.5, -1.0),
            (Formula::Clip { lo: real(-1.0), hi: real(1.0) }, 3.0, 1.0),
            (Formula::Elu { alpha: real(1.0) }, -1.0, -0.632_120_558_828_557_7),
            (Formula::Erf, 0.5, 0.520_499_877_813_046_5),
            (Formula::Exp, 1.0, std::f64::consts::E),
            (Formula::Floor, -1.5, -2.0),
            (Formula::Gelu, 1.0, 0.841_344_746_068_542_9),
            (Formula::GeluTanh, 1.0, 0.841_191_990_608_276_2),
            (Formula::HardSigmoid { alpha: real(0.2), beta: real(0.5) }, 1.0, 0.7),
            (Formula::HardSwish, 1.5, 1.125),
            (Formula::LeakyRelu { alpha: real(0.1) }, -2.0, -0.2),
            (Formula::Log, 10.0, std::f64::consts::LN_10),
            (Formula::Mish, 1.0, 0.865_098_388_267_310_3),
            (Formula::Neg, 1.0, -1.0),
            (Formula::Reciprocal, 4.0, 0.25),
            (Formula::Round, 2.5, 2.0),
            (Formula::Round, -3.5, -4.0),
            (Formula::Selu { alpha: real(2.0), gamma: real(3.0) }, 1.0, 3.0),
            (Formula::Sigmoid, 2.0, 0.880_797_077_977_882_4),
            (Formula::Sigmoid, -800.0, 0.0),
            (Formula::Sign, -0.0, 0.0),
            (Formula::Silu { alpha: real(1.0) }, 2.0, 1.761_594_155_955_764_9),
            (Formula::Softplus, 0.0, std::f64::consts::LN_2),
            (Formula::Softplus, 800.0, 800.0),
            (Formula::Softsign, -1.0, -0.5),
            (Formula::Sqrt, 2.0, std::f64::consts::SQRT_2),
            (Formula::Tanh, 0.5, 0.462_117_157_260_009_8),
            (Formula::ThresholdedRelu { alpha: real(1.0) }, 1.0, 0.0),
        ];
        for (formula, x, expected) in known {
            let got = formula.evaluate(x);
            assert!((got - expected).abs() <= 1e-12, "{formula:?} at {x}: {got}, expected {expected}");
        }
    }

    #[test]
    fn the_non_negative_ones_are() {
        for x in (-400..400).map(|i| f64::from(i) / 40.0) {
            for formula in [
                Formula::Abs,
                Formula::Exp,
                Formula::HardSigmoid { alpha: Real(0.2), beta: Real(0.5) },
                Formula::Sigmoid,
                Formula::Softplus,
                Formula::Clip { lo: Real(0.0), hi: Real(6.0) },
            ] {
                assert!(formula.is_non_negative() && formula.evaluate(x) >= 0.0);
            }
        }
    }
}
