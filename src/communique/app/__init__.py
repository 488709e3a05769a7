"""The local web app and the server of the JSON API. Both need the extra `app`."""
