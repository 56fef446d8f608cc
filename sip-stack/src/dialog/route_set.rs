//! Route sets: RFC 3261 §12.1, §12.2.1.1, §16.12.1.1.

use super::text;

/// The proxies that stay in the path of a dialog, as Route values in the order of travel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RouteSet(Vec<String>);

impl RouteSet {
    /// Of the Record-Route of a request, as the UAS keeps it: in order.
    pub(crate) fn of_request(record_routes: Vec<String>) -> Self {
        Self(record_routes)
    }

    /// Of the Record-Route of a response, as the UAC keeps it: reversed.
    pub(crate) fn of_response(mut record_routes: Vec<String>) -> Self {
        record_routes.reverse();
        Self(record_routes)
    }

    /// The URI of the first hop.
    pub(crate) fn first_uri(&self) -> Option<&str> {
        self.0.first().and_then(|route| text::addr_spec(route))
    }

    /// The Request-URI and the Route values of a request to `target`.
    pub(crate) fn apply(&self, target: &str) -> (String, Vec<String>) {
        match self.0.split_first() {
            Some((first, rest)) if !text::is_loose(first) => {
                // A strict router takes its own address from the Request-URI and expects the
                // target as the last route.
                let uri = text::addr_spec(first).unwrap_or(target).to_owned();
                let mut routes = rest.to_vec();
                routes.push(format!("<{target}>"));
                (uri, routes)
            }
            _ => (target.to_owned(), self.0.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn without_routes_the_target_is_the_request_uri() {
        let (uri, list) = RouteSet::default().apply("sip:b@h");
        assert_eq!((uri.as_str(), list.len()), ("sip:b@h", 0));
    }

    #[test]
    fn a_loose_router_leaves_the_target_in_the_request_uri() {
        let set = RouteSet::of_response(routes(&["<sip:p2;lr>", "<sip:p1;lr>"]));
        let (uri, list) = set.apply("sip:b@h");
        assert_eq!(uri, "sip:b@h");
        assert_eq!(list, ["<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!(set.first_uri(), Some("sip:p1;lr"));
    }

    #[test]
    fn a_strict_router_gets_its_own_uri_and_the_target_goes_last() {
        let set = RouteSet::of_request(routes(&["<sip:p1>", "<sip:p2;lr>"]));
        let (uri, list) = set.apply("sip:b@h;x=1");
        assert_eq!(uri, "sip:p1");
        assert_eq!(list, ["<sip:p2;lr>", "<sip:b@h;x=1>"]);
    }
}
