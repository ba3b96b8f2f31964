//! The SQL that is spoken here: PostgreSQL's, with a few words that its parser would take for
//! names. It decides how text splits into tokens and what binds tighter, never what is allowed.

use std::any::TypeId;

use sqlparser::{
    ast::Expr,
    dialect::{Dialect, PostgreSqlDialect, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
};

/// PostgreSQL's dialect with `SELECT * EXCLUDE (…)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MainstemDialect {
    postgres: PostgreSqlDialect,
}

/// Methods in which PostgreSQL's dialect differs from sqlparser's default, handed on.
macro_rules! as_in_postgresql {
    ($($method:ident)*) => {
        $(fn $method(&self) -> bool { self.postgres.$method() })*
    };
}

impl Dialect for MainstemDialect {
    /// The parser asks by type in some places: there we are PostgreSQL.
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.postgres.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.postgres.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.postgres.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.postgres.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        self.postgres.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.postgres.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        self.postgres.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.postgres.prec_value(precedence)
    }

    /// `a IS [NOT] DISTINCT FROM b AND c`: as in PostgreSQL, `b` ends where something binds looser
    /// than IS does. sqlparser would take all that follows for `b`.
    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let differs = [Keyword::IS, Keyword::DISTINCT, Keyword::FROM];
        let equals = [Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM];
        let compared: fn(Box<Expr>, Box<Expr>) -> Expr = if parser.parse_keywords(&differs) {
            Expr::IsDistinctFrom
        } else if parser.parse_keywords(&equals) {
            Expr::IsNotDistinctFrom
        } else {
            return None;
        };
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        Some(right.map(|right| compared(Box::new(left.clone()), Box::new(right))))
    }

    /// `* EXCLUDE (a)`: as DuckDB, Snowflake and DataFusion have it.
    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    as_in_postgresql! {
        supports_unicode_string_literal
        supports_filter_during_aggregation
        supports_group_by_expr
        allow_extract_custom
        allow_extract_single_quotes
        supports_explain_with_utility_options
        supports_factorial_operator
        supports_bitwise_shift_operators
        supports_named_fn_args_with_colon_operator
        supports_named_fn_args_with_expr_name
        supports_nested_comments
        supports_string_escape_constant
        supports_numeric_literal_underscores
        supports_array_typedef_with_brackets
        supports_notnull_operator
        supports_interval_options
        supports_comma_separated_trim
    }
}
