//! Functions of numbers. Only the table.

use super::Row;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("abs", "", "abs", "abs(x)", "The absolute value.", "abs(-3)", "3"),
    ("ceil", "", "ceil", "ceil(x)", "Rounded up.", "ceil(1.2)", "2.0"),
    ("floor", "", "floor", "floor(x)", "Rounded down.", "floor(-1.2)", "-2.0"),
    ("round", "", "round", "round(x[, digits])", "Rounded to the nearest, halves away from zero.", "round(2.345, 2)", "2.35"),
    ("trunc", "", "", "trunc(x[, digits])", "Rounded towards zero.", "trunc(-1.7)", "-1.0"),
    
    ("signum", "", "signum", "signum(x)", "-1, 0 or 1.", "signum(-3)", "-1.0"),
    ("sqrt", "", "sqrt", "sqrt(x)", "The square root.", "sqrt(9)", "3.0"),
    ("cbrt", "", "cbrt", "cbrt(x)", "The cube root.", "cbrt(27)", "3.0"),
    ("power", "", "power", "power(x, y)", "x raised to y.", "power(2, 10)", "1024.0"),
    ("pow", "", "pow", "pow(x, y)", "The same as power.", "pow(2, 3)", "8.0"),
    ("exp", "", "exp", "exp(x)", "e raised to x.", "exp(0)", "1.0"),
    ("ln", "", "ln", "ln(x)", "The natural logarithm.", "ln(1)", "0.0"),
    ("log", "", "", "log([base, ]x)", "The logarithm, to base 10 if none is given.", "log(100)", "2.0"),
    ("log2", "", "log2", "log2(x)", "The logarithm to base 2.", "log2(8)", "3.0"),
    ("log10", "", "log10", "log10(x)", "The logarithm to base 10.", "log10(1000)", "3.0"),
    ("sin", "", "sin", "sin(radians)", "The sine.", "sin(0)", "0.0"),
    ("cos", "", "cos", "cos(radians)", "The cosine.", "cos(0)", "1.0"),
    ("tan", "", "tan", "tan(radians)", "The tangent.", "tan(0)", "0.0"),
    ("cot", "", "cot", "cot(radians)", "The cotangent.", "round(cot(1), 3)", "0.642"),
    ("asin", "", "asin", "asin(x)", "The arc sine, in radians.", "asin(0)", "0.0"),
    ("acos", "", "acos", "acos(x)", "The arc cosine, in radians.", "acos(1)", "0.0"),
    ("atan", "", "atan", "atan(x)", "The arc tangent, in radians.", "atan(0)", "0.0"),
    ("atan2", "", "atan2", "atan2(y, x)", "The angle of the point, in radians.", "atan2(0, 1)", "0.0"),
    ("sinh", "", "sinh", "sinh(x)", "The hyperbolic sine.", "sinh(0)", "0.0"),
    ("cosh", "", "cosh", "cosh(x)", "The hyperbolic cosine.", "cosh(0)", "1.0"),
    ("tanh", "", "tanh", "tanh(x)", "The hyperbolic tangent.", "tanh(0)", "0.0"),
    ("degrees", "", "degrees", "degrees(radians)", "In degrees.", "round(degrees(pi()), 1)", "180.0"),
    ("radians", "", "radians", "radians(degrees)", "In radians.", "radians(0)", "0.0"),
    ("pi", "", "pi", "pi()", "3.14159…", "round(pi(), 5)", "3.14159"),
    ("gcd", "", "", "gcd(a, b)", "The greatest common divisor.", "gcd(12, 18)", "6"),
    ("lcm", "", "", "lcm(a, b)", "The least common multiple.", "lcm(4, 6)", "12"),
    ("factorial", "", "factorial", "factorial(n)", "n!", "factorial(5)", "120"),
    ("isnan", "", "isnan", "isnan(x)", "Whether it is not a number.", "isnan(1.0::DOUBLE PRECISION)", "false"),
    ("nanvl", "", "nanvl", "nanvl(x, y)", "x, or y if x is not a number.", "nanvl(2.0::DOUBLE PRECISION, 1.0::DOUBLE PRECISION)", "2.0"),
];
