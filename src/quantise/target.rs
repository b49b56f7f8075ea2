//! What quantisation has to reach.

use super::{QuantiseError, report::Fit};
use std::{fmt, str::FromStr};

/// A bound on how far the integer network may be from the float network, on the samples that decide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At least this fraction of samples gets the same class; 0 to 1.
    Top1(f64),
    /// No output element is off by more than this.
    MaxError(f64),
    /// Output elements are off by no more than this on average.
    MeanError(f64),
}

impl Target {
    /// Whether `fit` is good enough.
    #[must_use]
    pub fn is_met(&self, fit: &Fit) -> bool {
        self.shortfall(fit) <= 0.0
    }

    /// How far `fit` is from the target, between 0 and 1; 0 if it is met.
    pub(super) fn shortfall(&self, fit: &Fit) -> f64 {
        let excess = |error: f64, bound: f64| if error > bound { 1.0 - bound / error } else { 0.0 };
        match *self {
            Self::Top1(least) => (least - fit.top1_agreement).max(0.0),
            Self::MaxError(bound) => excess(fit.max_abs_error, bound),
            Self::MeanError(bound) => excess(fit.mean_abs_error, bound),
        }
    }

    /// The target's quantity as `fit` has it.
    pub(super) fn achieved(&self, fit: &Fit) -> String {
        match self {
            Self::Top1(_) => format!("top1 {}", rounded(fit.top1_agreement)),
            Self::MaxError(_) => format!("max-error {}", rounded(fit.max_abs_error)),
            Self::MeanError(_) => format!("mean-error {}", rounded(fit.mean_abs_error)),
        }
    }

    pub(super) fn check(&self) -> Result<(), QuantiseError> {
        let valid = match self {
            Self::Top1(least) => (0.0..=1.0).contains(least),
            Self::MaxError(bound) | Self::MeanError(bound) => *bound >= 0.0 && bound.is_finite(),
        };
        if valid { Ok(()) } else { Err(fault(&self.to_string())) }
    }
}

fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

fn fault(got: &str) -> QuantiseError {
    let expected = "top1>=F with F from 0 to 1, max-error<=E or mean-error<=E with E of at least 0";
    QuantiseError::Option { option: "target", expected, got: got.into() }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top1(least) => write!(f, "top1>={least}"),
            Self::MaxError(bound) => write!(f, "max-error<={bound}"),
            Self::MeanError(bound) => write!(f, "mean-error<={bound}"),
        }
    }
}

impl FromStr for Target {
    type Err = QuantiseError;

    /// Reads `top1>=0.99`, `max-error<=0.01` or `mean-error<=0.01`.
    fn from_str(text: &str) -> Result<Self, QuantiseError> {
        let number = |rest: &str| rest.trim().parse::<f64>().map_err(|_| fault(text));
        let parts = |sign: &str| text.split_once(sign).map(|(name, rest)| (name.trim().to_string(), rest.to_string()));
        let target = match (parts(">="), parts("<=")) {
            (Some((name, bound)), _) if name == "top1" => Self::Top1(number(&bound)?),
            (_, Some((name, bound))) if name == "max-error" => Self::MaxError(number(&bound)?),
            (_, Some((name, bound))) if name == "mean-error" => Self::MeanError(number(&bound)?),
            _ => return Err(fault(text)),
        };
        target.check().map_err(|_| fault(text))?;
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_are_written() {
        for target in [Target::Top1(0.99), Target::MaxError(0.01), Target::MeanError(1e-3)] {
            assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
        }
        assert_eq!(" top1 >= 1".parse::<Target>().unwrap(), Target::Top1(1.0));
        for text in ["", "top1", "top1<=0.9", "top1>=1.5", "top1>=x", "top1>=nan", "max-error>=1", "mean-error<=-1"] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(
                matches!(&error, QuantiseError::Option { option: "target", got, .. } if got.contains(text)),
                "{error}"
            );
        }
    }

    #[test]
    fn a_shortfall_is_a_fraction() {
        let fit = Fit { top1_agreement: 0.9, max_abs_error: 0.4, mean_abs_error: 0.0 };
        assert_eq!(Target::Top1(0.9).shortfall(&fit), 0.0);
        assert!((Target::Top1(1.0).shortfall(&fit) - 0.1).abs() < 1e-12);
        assert!((Target::MaxError(0.3).shortfall(&fit) - 0.25).abs() < 1e-12);
        assert!(Target::MaxError(0.4).is_met(&fit) && Target::MeanError(0.0).is_met(&fit));
    }
}
