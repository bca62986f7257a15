package oauth

import (
	"net/http"
	"net/url"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/signin"
)

// deviceGrant is the grant type of RFC 8628, section 3.4.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// deviceAuthorization is of RFC 8628, section 3.2. Times are in seconds.
type deviceAuthorization struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int    `json:"expires_in"`
	Interval                int    `json:"interval"`
}

// beginDevice has a machine without a browser wait.
func (h *Handler) beginDevice(w http.ResponseWriter, r *http.Request) {
	answer, err := any(nil), h.devices.Admit(w, r, h.config.Now())
	if err == nil {
		answer, err = h.newDevice(r)
	}
	if err != nil {
		answerJSON(w, h.refuse(r, err))
		return
	}
	answerJSON(w, answer)
}

func (h *Handler) newDevice(r *http.Request) (any, error) {
	form, err := readForm(r)
	if err != nil {
		return nil, err
	}
	if form.Get("client_id") != ClientID {
		return nil, errClient
	}
	if _, err := h.config.Desk.Provider(); err != nil {
		return nil, err
	}
	label := form.Get("label")
	if label == "" {
		label = "a program on another machine"
	}
	codes, err := h.config.Sessions.BeginDevice(r.Context(), label)
	if err != nil {
		return nil, err
	}
	at := h.config.URL + DevicePath
	return deviceAuthorization{
		DeviceCode: codes.Device, UserCode: codes.User, VerificationURI: at,
		VerificationURIComplete: at + "?" + url.Values{"user_code": {codes.User}}.Encode(),
		ExpiresIn:               int(directory.DeviceLifetime.Seconds()), Interval: int(directory.DevicePause.Seconds()),
	}, nil
}

// askDevice answers a device that waits (RFC 8628, section 3.5).
func (h *Handler) askDevice(r *http.Request, form url.Values) (any, error) {
	answer, token, s, err := h.config.Sessions.AskDevice(r.Context(), form.Get("device_code"))
	if err != nil {
		return nil, err
	}
	switch answer {
	case directory.DevicePending:
		return nil, refusal{http.StatusBadRequest, "authorization_pending", "Nobody has typed the code yet."}
	case directory.DeviceTooFast:
		return nil, refusal{http.StatusBadRequest, "slow_down", "Ask less often."}
	case directory.DeviceRefused:
		return nil, refusal{http.StatusBadRequest, "access_denied", "Whoever typed the code chose not to sign this device in."}
	case directory.DeviceHasToken:
		return h.tokenFor(token, s), nil
	case directory.DeviceTooLate:
	}
	return nil, refusal{http.StatusBadRequest, "expired_token", "Nobody typed the code in time; begin again."}
}

// devicePage asks for the code that a device shows.
func (h *Handler) devicePage(w http.ResponseWriter, r *http.Request) error {
	typed := r.URL.Query().Get("user_code")
	return h.show(w, http.StatusOK, "device.html", map[string]string{"Code": typed[:min(len(typed), maxParameter)], "Action": DevicePath}, signin.ProviderForms)
}

// typedCode sends somebody who has typed a code on to the identity provider.
func (h *Handler) typedCode(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return access.Wrap(access.KindInvalid, err, "This form cannot be read.")
	}
	device, err := h.config.Sessions.Device(r.Context(), r.PostForm.Get("user_code"))
	if access.KindOf(err) == access.KindNotFound {
		return h.show(w, http.StatusNotFound, "device.html", map[string]string{"Message": access.SafeMessage(err), "Action": DevicePath}, signin.ProviderForms)
	}
	if err != nil {
		return err
	}
	return h.config.Desk.Send(w, r, signin.ForProgram, order{UserCode: directory.UserCode(r.PostForm.Get("user_code")), State: newState(), Label: device.Label})
}

// settleDevice lets the device in, or refuses it.
func (h *Handler) settleDevice(w http.ResponseWriter, r *http.Request, q question, yes bool) error {
	if err := h.config.Sessions.SettleDevice(r.Context(), q.Order.UserCode, q.Code, yes); err != nil {
		return err
	}
	message := "Your device is signed in. Go back to it; you can close this page."
	if !yes {
		message = "Your device is not signed in. You can close this page."
	}
	return h.show(w, http.StatusOK, "done.html", map[string]string{"Message": message}, "")
}
