//! Companies below companies: `parent_id`, and addresses that Odoo must not share (V-72).

use tandem::model::{ModuleId, Value};
use tandem::remote::{Class, Remote as _, Sent};

use super::{found, text};
use crate::Server;

const FIRMS: ModuleId = ModuleId::Companies;

#[tokio::test]
async fn a_parent_is_set_and_cleared_and_no_address_travels_along_v72() {
    let Some(server) = Server::from_env("parents") else { return };
    for (who, odoo) in server.users() {
        let create = async |number: u32, name: &str, street: &str| {
            let firm = text([("name", name), ("street", street)]);
            let key = format!("{}-{who}", server.key(FIRMS, number));
            odoo.create(FIRMS, &key, &firm).await.unwrap().id
        };
        let group = create(1, "Group", "1 Quay").await;
        let bare = create(2, "Without an address", "").await;
        let branch = create(3, "Branch", "9 Lane").await;
        for parent in [&group, &bare] {
            odoo.update(FIRMS, &branch, &text([("parent", parent.as_str())]), None).await.unwrap();
            assert_eq!(found(&odoo, FIRMS, &branch).await.fields["parent"], Value::text(parent.as_str()));
        }
        odoo.update(FIRMS, &branch, &text([("street", "10 Lane")]), None).await.unwrap();
        odoo.update(FIRMS, &bare, &text([("city", "Hobart")]), None).await.unwrap();
        let place = async |id| {
            let fields = found(&odoo, FIRMS, id).await.fields;
            (fields["street"].to_string(), fields["city"].to_string())
        };
        assert_eq!(place(&group).await, ("1 Quay".to_owned(), String::new()));
        assert_eq!(
            place(&branch).await,
            ("10 Lane".to_owned(), String::new()),
            "neither the parent's old one nor its new"
        );
        assert_eq!(place(&bare).await, (String::new(), "Hobart".to_owned()), "nor the child's for the parent");

        // What is below cannot stand above.
        let error = odoo.update(FIRMS, &bare, &text([("parent", branch.as_str())]), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
        let own = odoo.update(FIRMS, &bare, &text([("parent", bare.as_str())]), None).await.unwrap_err();
        assert_eq!((own.class, own.sent), (Class::Rejected, Sent::No), "{own:?}");

        odoo.update(FIRMS, &branch, &[("parent".to_owned(), Value::Null)].into(), None).await.unwrap();
        assert!(found(&odoo, FIRMS, &branch).await.fields["parent"].is_empty());
    }
    let odoo = server.adapter();
    assert_eq!(odoo.fields_after_creation(FIRMS), ["parent"], "Odoo gives a parent its first child's address");
}
