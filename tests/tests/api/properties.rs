//! Bad input of any shape gets an answer of the contract's form.
