//! What no rule answers.
