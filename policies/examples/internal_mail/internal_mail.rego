package stepgate.internal_mail

default decision := {"effect": "deny", "reasons": ["mail.outside"], "patches": [], "obligations": []}

# METADATA
# entrypoint: true
decision := {"effect": "allow", "reasons": [], "patches": [], "obligations": []} if {
	every address in input.inputs.to {
		endswith(address, "@example.com")
	}
}
