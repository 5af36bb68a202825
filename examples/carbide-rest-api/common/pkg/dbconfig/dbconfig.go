// SPDX-License-Identifier: Apache-2.0

// Package dbconfig reads the settings of the PostgreSQL database from the environment.
package dbconfig

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
)

var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// Config says which database to use, and as whom.
type Config struct {
	Host     string // DB_HOST
	Port     int    // DB_PORT
	Name     string // DB_NAME
	User     string // DB_USER
	Password string // DB_PASSWORD
	SSLMode  string // DB_SSLMODE
}

// FromEnv reads the DB_… variables.
func FromEnv() (Config, error) {
	port, err := setting.Port("DB_PORT", 5432)
	if err != nil {
		return Config{}, err
	}
	mode := setting.Text("DB_SSLMODE", "prefer")
	if !slices.Contains(sslModes, mode) {
		return Config{}, fmt.Errorf("DB_SSLMODE=%q is not one of %s", mode, strings.Join(sslModes, ", "))
	}
	return Config{
		Host:     setting.Text("DB_HOST", "localhost"),
		Port:     port,
		Name:     setting.Text("DB_NAME", "carbide"),
		User:     setting.Text("DB_USER", "carbide"),
		Password: setting.Text("DB_PASSWORD", ""),
		SSLMode:  mode,
	}, nil
}

// String names the database, without its password.
func (c Config) String() string {
	return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) + "/" + c.Name
}

// ConnectionString is for the PostgreSQL driver; it contains the password.
func (c Config) ConnectionString() string {
	return fmt.Sprintf("host=%s port=%d dbname=%s user=%s password=%s sslmode=%s",
		quote(c.Host), c.Port, quote(c.Name), quote(c.User), quote(c.Password), c.SSLMode)
}

func quote(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
