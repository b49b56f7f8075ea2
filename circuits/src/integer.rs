//! Exact integer arithmetic of the network: rounding, saturation, function tables.
//!
//! Spec: `docs/spec/network.md`. Everything here is a total function on the integers, so the
//! reference executor and the tables of the circuit cannot disagree.

use crate::formula::{Formula, Real};
use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};

/// Least shift allowed: weights carry the scale, and fewer bits leave nothing of them.
pub const MIN_SHIFT: u32 = 4;
/// Greatest shift allowed. One above 24 needs a layout with limbs, whose remainders are ranged in parts.
pub const MAX_SHIFT: u32 = 40;

/// `floor((acc + 2^(shift-1)) / 2^shift)`: division by `2^shift`, rounding half up.
///
/// `acc` is below 62 bits in absolute value, `shift` in `1..=40`.
#[must_use]
pub fn rescale(acc: i64, shift: u32) -> i64 {
    (acc + (1 << (shift - 1))) >> shift
}

/// A signed integer as a field element.
#[must_use]
pub fn to_field(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 { -magnitude } else { magnitude }
}

/// A closed interval of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// Least element.
    pub lo: i64,
    /// Greatest element.
    pub hi: i64,
}

impl Interval {
    /// The interval `[lo, hi]`.
    #[must_use]
    pub const fn new(lo: i64, hi: i64) -> Self {
        Self { lo, hi }
    }

    /// Whether `value` lies in the interval.
    #[must_use]
    pub const fn contains(&self, value: i64) -> bool {
        self.lo <= value && value <= self.hi
    }

    /// Whether `other` lies in the interval.
    #[must_use]
    pub const fn covers(&self, other: &Self) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    /// Number of integers in the interval.
    #[must_use]
    pub const fn len(&self) -> u64 {
        if self.hi < self.lo { 0 } else { (self.hi - self.lo) as u64 + 1 }
    }

    /// Whether the interval holds no integer.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.hi < self.lo
    }
}

/// A scalar function before saturation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Function {
    /// `q`.
    Identity,
    /// `max(q, 0)`.
    Relu,
    /// `formula(q / from) * to` to the nearest integer, halves away from zero, with `q` moved into the domain.
    Formula {
        /// The function of a real number.
        formula: Formula,
        /// Quotients in one real unit of the argument.
        from: Real,
        /// Integers in one real unit of the value.
        to: Real,
        /// Quotients that the table tells apart.
        domain: Interval,
    },
}

/// Most quotients in the domain of a formula.
pub const MAX_DOMAIN: u64 = 1 << 16;

/// A function table: `clamp(function(q), range)`.
///
/// Defined on all integers and constant outside a window, so no quotient is "out of range".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Activation {
    /// The function.
    pub function: Function,
    /// Where its result saturates: the range of the tensor it produces.
    pub range: Interval,
}

impl Activation {
    /// The value at `q`.
    #[must_use]
    pub fn apply(&self, q: i64) -> i64 {
        let value = match self.function {
            Function::Identity => q,
            Function::Relu => q.max(0),
            Function::Formula { formula, from, to, domain } => {
                // The cast saturates; validation refuses formulas that are not finite on their domain.
                scaled(formula, q.clamp(domain.lo, domain.hi), from, to).round() as i64
            }
        };
        value.clamp(self.range.lo, self.range.hi)
    }

    /// An interval outside which the function is constant: equal to its value at `lo` below, at `hi` above.
    #[must_use]
    pub fn window(&self) -> Interval {
        match self.function {
            Function::Identity => self.range,
            Function::Relu => Interval::new(self.range.lo.max(0), self.range.hi.max(0)),
            Function::Formula { domain, .. } => domain,
        }
    }

    /// Whether `apply(v) = v` for every `v` in the range.
    #[must_use]
    pub const fn fixes_its_range(&self) -> bool {
        match self.function {
            Function::Identity => true,
            Function::Relu => self.range.lo >= 0,
            Function::Formula { .. } => false,
        }
    }

    /// Whether a larger argument never gives a smaller value: then it commutes with a maximum.
    ///
    /// Cost: an evaluation for every quotient in the domain of a formula.
    #[must_use]
    pub fn is_non_decreasing(&self) -> bool {
        match self.function {
            Function::Identity | Function::Relu => true,
            Function::Formula { domain, .. } => {
                let mut values = (domain.lo..=domain.hi).map(|q| self.apply(q));
                let mut last = i64::MIN;
                values.all(|value| std::mem::replace(&mut last, value) <= value)
            }
        }
    }

    /// Whether the function is one that a table can hold: finite on a domain of at most [`MAX_DOMAIN`] quotients.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let Function::Formula { formula, from, to, domain } = self.function else { return true };
        let positive = |scale: Real| scale.0.is_finite() && scale.0 > 0.0;
        let limit = 1i64 << 40;
        positive(from)
            && positive(to)
            && formula.parameters().iter().all(|p| p.is_finite())
            && -limit <= domain.lo
            && domain.lo <= domain.hi
            && domain.hi <= limit
            && domain.len() <= MAX_DOMAIN
            && (domain.lo..=domain.hi).all(|q| scaled(formula, q, from, to).is_finite())
    }
}

/// The value of a formula at a quotient, in integers of the result. `1 / 0` is that of the least positive quotient.
fn scaled(formula: Formula, q: i64, from: Real, to: Real) -> f64 {
    let q = if q == 0 && formula == Formula::Reciprocal { 1 } else { q };
    formula.evaluate(q as f64 / from.0) * to.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescale_rounds_half_up() {
        for (acc, want) in [(0, 0), (7, 0), (8, 1), (-8, 0), (-9, -1), (24, 2), (-24, -1), (-25, -2)] {
            assert_eq!(rescale(acc, 4), want, "{acc}");
        }
    }

    #[test]
    fn activations_saturate() {
        let relu = Activation { function: Function::Relu, range: Interval::new(0, 255) };
        assert_eq!([-5, 0, 7, 255, 256, i64::MAX].map(|q| relu.apply(q)), [0, 0, 7, 255, 255, 255]);
        let id = Activation { function: Function::Identity, range: Interval::new(-128, 127) };
        assert_eq!([-129, -1, 128].map(|q| id.apply(q)), [-128, -1, 127]);
    }

    #[test]
    fn activations_are_constant_outside_their_window() {
        for (lo, hi) in [(0, 255), (-127, 127), (-9, -3), (4, 9)] {
            for function in [Function::Identity, Function::Relu] {
                let activation = Activation { function, range: Interval::new(lo, hi) };
                let window = activation.window();
                for d in 0..300 {
                    assert_eq!(activation.apply(window.lo - d), activation.apply(window.lo));
                    assert_eq!(activation.apply(window.hi + d), activation.apply(window.hi));
                }
                let fixed = (lo..=hi).all(|v| activation.apply(v) == v);
                assert_eq!(activation.fixes_its_range(), fixed);
            }
        }
    }

    #[test]
    fn formulas_are_rounded_and_saturate_on_both_sides() {
        let function = |formula, lo, hi| Function::Formula {
            formula,
            from: Real(4.0),
            to: Real(10.0),
            domain: Interval::new(lo, hi),
        };
        let neg = Activation { function: function(Formula::Neg, -8, 7), range: Interval::new(-12, 40) };
        // -q / 4 * 10, at -8 and below 20, at 7 and above -17.5, cut off at -12.
        assert_eq!([-99, -8, -1, 0, 1, 3, 5, 99].map(|q| neg.apply(q)), [20, 20, 3, 0, -3, -8, -12, -12]);
        assert!(neg.is_sound() && !neg.is_non_decreasing());
        let sigmoid = Activation { function: function(Formula::Sigmoid, -40, 40), range: Interval::new(0, 255) };
        assert!(sigmoid.is_non_decreasing());
        let log = Activation { function: function(Formula::Log, 0, 7), range: Interval::new(-128, 127) };
        assert!(!log.is_sound(), "the logarithm of 0");
        let wide = Activation { function: function(Formula::Tanh, 0, 1 << 16), range: Interval::new(-128, 127) };
        assert!(!wide.is_sound(), "a domain beyond the limit");
    }
}
