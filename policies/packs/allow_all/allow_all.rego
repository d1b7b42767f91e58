# METADATA
# title: Allows everything
# description: For tests and first tries. It looks at nothing, so it stops nothing.
package stepgate.allow_all

# METADATA
# title: The decision, the same for every input
# entrypoint: true
decision := {"effect": "allow", "reasons": [], "patches": [], "obligations": []}
