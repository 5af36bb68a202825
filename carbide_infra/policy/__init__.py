"""Policy: what every image of a production stack has to be, checked by Pulumi's engine before anything is made."""
