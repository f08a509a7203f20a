"""`smsrack odoo setup`: what an Odoo needs for us, as rows and values, made once and taken back whole."""
