package main

import (
	"net/http"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/console"
)

// sessionCookie has the token of somebody who signed in to use the page. A host has sessions
// of its own; here the token is all there is.
const sessionCookie = "bulkops_session"

// signInPage asks for a token.
const signInPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in</title>
<h1>Sign in</h1>
<form method="post">
<p><label for="token">Token</label> <input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button></p>
</form>
</html>
`

// fromHere refuses forms that pages of other origins send.
var fromHere http.CrossOriginProtection

// signIn is /signin: it shows the form, and gives who knows a token a cookie and the page.
func (all tokens) signIn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(signInPage))
		return
	}
	// Or a page elsewhere could sign its visitors in as somebody else, whom they import users for.
	if err := fromHere.Check(r); err != nil {
		http.Error(w, "the form is not from here", http.StatusForbidden)
		return
	}
	token := r.PostFormValue("token")
	if _, err := all.principal(token); err != nil {
		http.Error(w, "there is no such token", http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
	http.Redirect(w, r, "/console/", http.StatusSeeOther)
}

// authorizePage is authorize for callers with the cookie too, if it is the page that sends it.
func (all tokens) authorizePage(r *http.Request) (bulk.Principal, error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || !console.FromPage(r) || r.Header.Get("Authorization") != "" {
		return all.authorize(r)
	}
	return all.principal(cookie.Value)
}
