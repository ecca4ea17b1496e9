//! Lists with cursors.

use serde_json::{Value, json};
use service_kit::problem::Problem;

use super::{
    params::Params,
    problems::{self, StripeCode},
};

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: i64 = 100;

/// The page that a request asks for.
#[derive(Debug)]
pub struct Page {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
    /// The lower and upper limits of `created`, in seconds.
    created: [Option<i64>; 2],
}

impl Page {
    /// # Errors
    /// Fails if a parameter does not fit.
    pub fn read(params: &mut Params) -> Result<Self, Problem> {
        let limit = params.integer("limit")?.unwrap_or(DEFAULT_LIMIT.try_into().unwrap_or(MAX_LIMIT));
        let limit =
            usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
                let why = format!("Invalid limit: must be between 1 and {MAX_LIMIT}");
                problems::invalid(StripeCode::ParameterInvalidInteger, "limit", why)
            })?;
        let exactly = params.integer("created")?;
        let lower =
            [params.integer("created[gte]")?, params.integer("created[gt]")?.map(|at| at.saturating_add(1))];
        let upper =
            [params.integer("created[lte]")?, params.integer("created[lt]")?.map(|at| at.saturating_sub(1))];
        let page = Self {
            limit,
            starting_after: params.text("starting_after"),
            ending_before: params.text("ending_before"),
            created: [
                lower.into_iter().chain([exactly]).flatten().max(),
                upper.into_iter().chain([exactly]).flatten().min(),
            ],
        };
        if page.starting_after.is_some() && page.ending_before.is_some() {
            let why = "You can't use starting_after together with ending_before.".to_owned();
            return Err(problems::invalid(StripeCode::ParameterInvalid, "ending_before", why));
        }
        Ok(page)
    }

    /// Returns the page of these objects, which are the newest first.
    ///
    /// # Errors
    /// Fails if a cursor names none of them.
    pub fn of(&self, objects: &[Value], url: &str, kind: &str) -> Result<Value, Problem> {
        let (found, has_more) = self.choose(objects, kind)?;
        Ok(list(&found, has_more, url))
    }

    /// Chooses the objects of the page, which are the newest first, and returns whether there are more.
    ///
    /// # Errors
    /// Fails if a cursor names none of them.
    pub fn choose<'o, T: Listed>(&self, objects: &'o [T], kind: &str) -> Result<(Vec<&'o T>, bool), Problem> {
        let [from, until] = self.created;
        let in_time = |object: &&T| {
            let created = object.created();
            from.is_none_or(|from| created >= from) && until.is_none_or(|until| created <= until)
        };
        let place = |cursor: &str, param: &str| {
            let found = objects.iter().position(|object| object.id() == cursor);
            found.ok_or_else(|| problems::no_such(kind, cursor, param))
        };
        let before =
            self.ending_before.as_deref().map(|cursor| place(cursor, "ending_before")).transpose()?;
        let after =
            self.starting_after.as_deref().map(|cursor| place(cursor, "starting_after")).transpose()?;
        let range = after.map_or(0, |place| place + 1)..before.unwrap_or(objects.len());
        let mut found: Vec<_> = objects.get(range).unwrap_or_default().iter().filter(in_time).collect();
        let has_more = found.len() > self.limit;
        if before.is_some() {
            // The page before a cursor is the one next to it.
            found.drain(..found.len().saturating_sub(self.limit));
        }
        found.truncate(self.limit);
        Ok((found, has_more))
    }
}

/// An object of a list.
pub trait Listed {
    fn id(&self) -> &str;
    /// Returns the time of its creation, in seconds.
    fn created(&self) -> i64;
}

impl Listed for Value {
    fn id(&self) -> &str {
        self["id"].as_str().unwrap_or_default()
    }

    fn created(&self) -> i64 {
        self["created"].as_i64().unwrap_or_default()
    }
}

/// Returns a page of objects as Stripe's list.
pub fn list(data: &impl serde::Serialize, has_more: bool, url: &str) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<(Vec<i64>, bool), &'static str> {
        let objects = (1..=5).rev().map(|number| json!({ "id": format!("x_{number}"), "created": number }));
        let page =
            Page::read(&mut Params::parse(query.as_bytes()).unwrap()).map_err(|problem| problem.code())?;
        let page = page.of(&objects.collect::<Vec<_>>(), "/v1/x", "x").map_err(|problem| problem.code())?;
        let data = page["data"].as_array().unwrap().iter().map(|object| object["created"].as_i64().unwrap());
        Ok((data.collect(), page["has_more"] == true))
    }

    #[test]
    fn cursors_walk_in_both_directions() {
        assert_eq!(page("limit=2"), Ok((vec![5, 4], true)));
        assert_eq!(page("limit=2&starting_after=x_4"), Ok((vec![3, 2], true)));
        assert_eq!(page("limit=2&starting_after=x_2"), Ok((vec![1], false)));
        assert_eq!(page("limit=2&ending_before=x_1"), Ok((vec![3, 2], true)));
        assert_eq!(page("limit=2&ending_before=x_4"), Ok((vec![5], false)));
    }

    #[test]
    fn a_list_is_limited_to_a_time() {
        assert_eq!(page("created[gte]=2&created[lt]=4"), Ok((vec![3, 2], false)));
        assert_eq!(page("created=3"), Ok((vec![3], false)));
    }

    #[test]
    fn an_invalid_page_is_refused() {
        for (query, code) in [
            ("limit=0", "parameter_invalid_integer"),
            ("limit=101", "parameter_invalid_integer"),
            ("limit=ten", "parameter_invalid_integer"),
            ("starting_after=x_9", "resource_missing_in_parameter"),
            ("starting_after=x_1&ending_before=x_2", "parameter_invalid"),
        ] {
            assert_eq!(page(query), Err(code), "{query}");
        }
    }
}
