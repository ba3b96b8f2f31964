//! Functions of numbers. Only the table.

use super::Row;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("abs", "", "[integer,double,numeric] abs", "abs(x)", "The absolute value.", "abs(-3)", "3"),
    ("ceil", "", "[double] CASE WHEN abs($1) < 4503599627370496D THEN CAST(ceil($1) AS DOUBLE) ELSE $1 END", "ceil(x)", "Rounded up.", "ceil(1.2)", "2.0"),
    ("floor", "", "[double] CASE WHEN abs($1) < 4503599627370496D THEN CAST(floor($1) AS DOUBLE) ELSE $1 END", "floor(x)", "Rounded down.", "floor(-1.2)", "-2.0"),
    ("round", "", "[double] round($1)", "round(x[, digits])", "Rounded to the nearest, halves away from zero.", "round(2.345, 2)", "2.35"),
    ("trunc", "", "", "trunc(x[, digits])", "Rounded towards zero.", "trunc(-1.7)", "-1.0"),
    
    ("signum", "", "[double] signum", "signum(x)", "-1, 0 or 1.", "signum(-3)", "-1.0"),
    ("sqrt", "", "[double] CASE WHEN $1 < 0D THEN CAST(raise_error('the square root of a negative number') AS DOUBLE) ELSE sqrt($1) END", "sqrt(x)", "The square root.", "sqrt(9)", "3.0"),
    ("cbrt", "", "[double] ~cbrt", "cbrt(x)", "The cube root.", "cbrt(27)", "3.0"),
    ("power", "", "[double] ~power", "power(x, y)", "x raised to y.", "power(2, 10)", "1024.0"),
    ("pow", "", "[double] ~power", "pow(x, y)", "The same as power.", "pow(2, 3)", "8.0"),
    ("exp", "", "[double] ~exp", "exp(x)", "e raised to x.", "exp(0)", "1.0"),
    ("ln", "", "[double] ~CASE WHEN $1 > 0D THEN ln($1) WHEN $1 = 0D THEN double('-Infinity') WHEN $1 < 0D THEN double('NaN') ELSE $1 END", "ln(x)", "The natural logarithm.", "ln(1)", "0.0"),
    ("log", "", "", "log([base, ]x)", "The logarithm, to base 10 if none is given.", "log(100)", "2.0"),
    ("log2", "", "[double] ~CASE WHEN $1 > 0D THEN log2($1) WHEN $1 = 0D THEN double('-Infinity') WHEN $1 < 0D THEN double('NaN') ELSE $1 END", "log2(x)", "The logarithm to base 2.", "log2(8)", "3.0"),
    ("log10", "", "[double] ~CASE WHEN $1 > 0D THEN log10($1) WHEN $1 = 0D THEN double('-Infinity') WHEN $1 < 0D THEN double('NaN') ELSE $1 END", "log10(x)", "The logarithm to base 10.", "log10(1000)", "3.0"),
    ("sin", "", "[double] ~sin", "sin(radians)", "The sine.", "sin(0)", "0.0"),
    ("cos", "", "[double] ~cos", "cos(radians)", "The cosine.", "cos(0)", "1.0"),
    ("tan", "", "[double] ~tan", "tan(radians)", "The tangent.", "tan(0)", "0.0"),
    ("cot", "", "[double] ~cot", "cot(radians)", "The cotangent.", "round(cot(1), 3)", "0.642"),
    ("asin", "", "[double] ~asin", "asin(x)", "The arc sine, in radians.", "asin(0)", "0.0"),
    ("acos", "", "[double] ~acos", "acos(x)", "The arc cosine, in radians.", "acos(1)", "0.0"),
    ("atan", "", "[double] ~atan", "atan(x)", "The arc tangent, in radians.", "atan(0)", "0.0"),
    ("atan2", "", "[double] ~atan2", "atan2(y, x)", "The angle of the point, in radians.", "atan2(0, 1)", "0.0"),
    ("sinh", "", "[double] ~sinh", "sinh(x)", "The hyperbolic sine.", "sinh(0)", "0.0"),
    ("cosh", "", "[double] ~cosh", "cosh(x)", "The hyperbolic cosine.", "cosh(0)", "1.0"),
    ("tanh", "", "[double] ~tanh", "tanh(x)", "The hyperbolic tangent.", "tanh(0)", "0.0"),
    ("degrees", "", "[double] ~degrees", "degrees(radians)", "In degrees.", "round(degrees(pi()), 1)", "180.0"),
    ("radians", "", "[double] ~radians", "radians(degrees)", "In radians.", "radians(0)", "0.0"),
    ("pi", "", "pi()", "pi()", "3.14159…", "round(pi(), 5)", "3.14159"),
    ("gcd", "", "", "gcd(a, b)", "The greatest common divisor.", "gcd(12, 18)", "6"),
    ("lcm", "", "", "lcm(a, b)", "The least common multiple.", "lcm(4, 6)", "12"),
    ("factorial", "", "", "factorial(n)", "n!", "factorial(5)", "120"),
    ("isnan", "", "[double] CASE WHEN $1 IS NOT NULL THEN isnan($1) END", "isnan(x)", "Whether it is not a number.", "isnan(1.0::DOUBLE PRECISION)", "false"),
    ("nanvl", "", "[double] nanvl", "nanvl(x, y)", "x, or y if x is not a number.", "nanvl(2.0::DOUBLE PRECISION, 1.0::DOUBLE PRECISION)", "2.0"),
];
