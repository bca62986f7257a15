package awskms

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/curfewhq/curfew/internal/secret"
)

// Config says which key it is, and how to reach it.
type Config struct {
	// Key is a key's ID or ARN, or an alias (alias/NAME) or its ARN.
	Key string `json:"key" jsonschema:"required,description=The key: its ID or ARN or an alias as in alias/curfew"`
	// Region may be left out beside an ARN, which has it.
	Region string `json:"region,omitempty" jsonschema:"description=The key's region. Default: the one in the key's ARN"`
	// Endpoint is another address of the service: a VPC endpoint, say.
	Endpoint string `json:"endpoint,omitempty" jsonschema:"description=Another address of the service. Default: that of the region"`
	// AccessKeyID and SecretAccessKey lead to a static access key. Without them the environment is asked, as AWS's own
	// programs ask it: for an access key, a web identity, and the instance's role.
	AccessKeyID     secret.Ref `json:"access_key_id,omitempty" jsonschema:"description=Where an access key's ID is: env:NAME or file:PATH"`
	SecretAccessKey secret.Ref `json:"secret_access_key,omitempty" jsonschema:"description=Where its secret is"`
}

var (
	keyForm    = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:([a-z0-9-]{1,32}):[0-9]{12}:(key|alias)/|alias/)?[A-Za-z0-9/_-]{1,256}$`)
	regionForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// Check finds what is wrong without asking anybody: the key of the field, and what is wrong with it. Both are empty when
// nothing is.
func (c Config) Check() (field, problem string) {
	switch {
	case c.Key == "":
		return "key", "it is missing: want a key's ID or ARN, or an alias as in alias/curfew"
	case !keyForm.MatchString(c.Key):
		return "key", "want a key's ID or ARN, or an alias as in alias/curfew"
	case c.region() == "":
		return "region", "it is missing: want the key's region, as in eu-central-1, or the key's ARN, which has it"
	case !regionForm.MatchString(c.region()):
		return "region", "want a region, as in eu-central-1"
	case c.Region != "" && c.arnRegion() != "" && c.Region != c.arnRegion():
		return "region", "the key's ARN has another one"
	case (c.AccessKeyID == "") != (c.SecretAccessKey == ""):
		return "access_key_id", "access_key_id and secret_access_key come together or not at all"
	}
	if u, err := url.Parse(c.Endpoint); c.Endpoint != "" && (err != nil || !safe(u)) {
		return "endpoint", "want https://HOST, since data keys are sent there"
	}
	return "", ""
}

// safe reports whether what is sent to the address is seen by nobody else: by HTTPS, or on this machine.
func safe(u *url.URL) bool {
	if u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && ip != nil && ip.IsLoopback()
}

func (c Config) arnRegion() string {
	if m := keyForm.FindStringSubmatch(c.Key); m != nil {
		return m[2]
	}
	return ""
}

func (c Config) region() string {
	if c.Region != "" {
		return c.Region
	}
	return c.arnRegion()
}

// address is where the service is reached.
func (c Config) address() string {
	if c.Endpoint != "" {
		return strings.TrimSuffix(c.Endpoint, "/")
	}
	return "https://kms." + c.region() + "." + domain(c.region())
}

// domain is that of the partition of AWS that a region belongs to.
func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
