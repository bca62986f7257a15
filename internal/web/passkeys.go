package web

import (
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
)

// passkey is one that somebody confirms with.
type passkey struct {
	access.Passkey
	Added, Used moment
}

// passkeys lists them, oldest first.
func (h *Handler) passkeys(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	list, codes, err := h.config.Passkeys.Passkeys(r.Context(), caller.Principal)
	if err != nil {
		return err
	}
	data := struct {
		Items []passkey
		Codes int
	}{Codes: codes}
	for _, p := range list {
		data.Items = append(data.Items, passkey{Passkey: p, Added: h.moment(p.CreatedAt), Used: h.moment(p.UsedAt)})
	}
	return h.showOwn(w, caller, "passkeys.html", screen{Title: "Your passkeys", Here: passkeysPath, Data: data})
}

// addPasskey begins to register one.
func (h *Handler) addPasskey(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	if err := r.ParseForm(); err != nil {
		return access.Wrap(access.KindInvalid, err, "This form cannot be read.")
	}
	_, link, err := h.config.Passkeys.Add(r.Context(), caller, r.PostForm.Get("label"), r.PostForm.Get("invitation"))
	return h.toCeremony(w, r, link, err)
}

// removePasskey begins to remove one.
func (h *Handler) removePasskey(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	_, link, err := h.config.Passkeys.Remove(r.Context(), caller.Principal, access.PasskeyID(r.PathValue("id")))
	return h.toCeremony(w, r, link, err)
}

// newRecoveryCodes begins to make recovery codes.
func (h *Handler) newRecoveryCodes(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	_, link, err := h.config.Passkeys.NewCodes(r.Context(), caller.Principal)
	return h.toCeremony(w, r, link, err)
}

// toCeremony sends somebody to where they confirm it.
func (h *Handler) toCeremony(w http.ResponseWriter, r *http.Request, link string, err error) error {
	if err == nil {
		http.Redirect(w, r, h.config.CeremonyPath+link, http.StatusSeeOther) //nolint:gosec // the link is the keeper's, of no letter that leads elsewhere
	}
	return err
}
